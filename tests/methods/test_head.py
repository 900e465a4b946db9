"""The head as a method: its file, what it fits, and what it draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dinoseg.backbone.zoo import load
from dinoseg.errors import WeightsMismatch, WeightsNotFound
from dinoseg.evaluation.predictions.method import MethodPredictor
from dinoseg.folder import run_of
from dinoseg.methods import make_method
from dinoseg.methods.head import raised
from dinoseg.methods.head_network import HeadNetwork, save_head
from dinoseg.methods.head_weights import Head, load_head
from dinoseg.options import SegmentOptions
from dinoseg.pipeline import Segmenter
from tests.methods.scenes import (
    batch_of,
    disk,
    features,
    features_of,
    fit_of,
    found,
    iou,
    photo_of,
    save_plain_head,
    spec_of,
)

WIDTH = 24


@pytest.fixture
def head(tmp_path: Path) -> str:
    """A head that knows what the disks of ``features_of`` look like."""
    path = tmp_path / "head.safetensors"
    given = features_of(disk()).facets["token"][0]  # (gh, gw, d)
    object_ = torch.from_numpy(disk())
    save_plain_head(path, spec_of(6), given[object_].mean(dim=0) - given[~object_].mean(dim=0))
    return str(path)


def method(head: str):
    return make_method("head", (f"weights={head}",))


def test_draws_cells_finer_than_a_patch_where_it_was_taught_to(head: str) -> None:
    (proposal,) = found(method(head), features_of(disk())).objects
    assert proposal.soft.shape == (24, 32)
    assert proposal.soft.dtype == np.float32
    assert iou(proposal.soft > 0.5, disk().repeat(2, axis=0).repeat(2, axis=1)) > 0.9
    assert 0.6 < proposal.score <= 1


def test_the_cells_of_a_patch_are_in_reading_order() -> None:
    network = HeadNetwork(width=1, hidden=1, cells=2)
    network.linear.bias.data = torch.tensor([-3.0, -2.0, 2.0, 3.0])
    network.linear.weight.data[:, 0] = 5
    maps = Head(network.state_dict(), {}).maps(torch.tensor([[[[0.0], [1.0]]]]))  # one row of two patches
    np.testing.assert_allclose(maps.logit().detach()[0], [[-3, -2, 2, 3], [2, 3, 7, 8]], atol=1e-3)


def test_a_batch_is_its_images_one_by_one(head: str) -> None:
    single = [features_of(disk(centre=centre)) for centre in ((6, 5), (5, 11))]
    grid = single[0].grid
    together = method(head)(batch_of(single), [photo_of(grid)] * 2, [fit_of(grid)] * 2)
    for one, proposals in zip(single, together, strict=True):
        np.testing.assert_allclose(proposals.objects[0].soft, found(method(head), one).objects[0].soft, atol=1e-5)


def test_nothing_above_one_half_is_no_object(head: str) -> None:
    nowhere = features(np.full((6, 4, 4), 0.05), np.zeros((4, 4, WIDTH)))
    assert found(method(head), nowhere).reason == "no_object"


@pytest.mark.parametrize(
    ("surest", "other", "expected"),
    [(1.0, 0.4, (1, 0.4)), (0.5, 0.2, (1, 0.4)), (0.1, 0.05, (0.4, 0.2)), (0.5, 0.4, (0.5, 0.4)), (0.0, 0.0, (0, 0))],
)
def test_where_nothing_is_sure_the_surest_count(surest: float, other: float, expected: tuple[float, float]) -> None:
    soft = np.full((20, 20), other, np.float32)
    soft.flat[:8] = surest  # 2 %
    found = raised(soft)
    assert (found.flat[0], found.flat[-1]) == pytest.approx(expected)
    assert found.dtype == np.float32


def test_a_file_gives_the_head_that_was_saved(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = HeadNetwork(WIDTH, hidden=3, cells=2)
    for parameter in (*network.parameters(), network.deviation):
        parameter.data.uniform_(0.5, 1.5)
    save_head(network, tmp_path / "head.safetensors", spec_of(6), epochs="3")
    given = torch.rand(2, 4, 4, WIDTH)
    loaded = load_head(str(tmp_path / "head.safetensors"))
    torch.testing.assert_close(loaded.maps(given), Head(network.state_dict(), {}).maps(given), atol=2e-3, rtol=0)


def test_a_head_of_another_network_is_refused_before_a_photograph_is_read(head: str) -> None:
    method(head).check(spec_of(6))
    with pytest.raises(WeightsMismatch, match=r"belongs to some, not to mine.*train-head PHOTOS --model mine"):
        method(head).check(replace(spec_of(6), name="mine", sha256="other"))


def test_the_built_in_head_is_of_the_built_in_model_alone() -> None:
    make_method("head").check(load("builtin").spec)
    with pytest.raises(WeightsMismatch, match=r"built-in head belongs to builtin, not to some"):
        make_method("head").check(spec_of(6))


def test_files_that_are_no_head(tmp_path: Path, head: str) -> None:
    with pytest.raises(WeightsNotFound, match=r"train-head PHOTOS -o none\.safetensors"):
        load_head(str(tmp_path / "none.safetensors"))
    save_file({"cls_token": torch.zeros(1)}, tmp_path / "vit.safetensors")
    with pytest.raises(WeightsMismatch, match="is no head"):
        load_head(str(tmp_path / "vit.safetensors"))
    save_file(
        {"linear.weight": torch.zeros(4, 2)}, tmp_path / "half.safetensors", {"kind": "dinoseg segmentation head"}
    )
    with pytest.raises(WeightsMismatch, match="train it again"):
        load_head(str(tmp_path / "half.safetensors"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a20_a_head_that_is_not_finite(tmp_path: Path, value: float) -> None:
    save_plain_head(tmp_path / "head.safetensors", spec_of(6), torch.full((WIDTH,), value))
    with pytest.raises(WeightsMismatch, match="not finite: train it again"):
        load_head(str(tmp_path / "head.safetensors"))


def test_a_head_that_does_not_say_what_it_was_trained_on(tmp_path: Path, head: str) -> None:
    state, path = load_head(head).tensors, tmp_path / "nameless.safetensors"
    save_file(
        {name: torch.asarray(tensor) for name, tensor in state.items()}, path, {"kind": "dinoseg segmentation head"}
    )
    with pytest.raises(WeightsMismatch, match="belongs to another network"):
        load_head(str(path), replace(spec_of(6), sha256="ab"))


def test_a_head_that_was_trained_again_is_loaded_again(head: str) -> None:
    before = load_head(head)
    assert load_head(head) is before
    save_plain_head(Path(head), spec_of(6), torch.zeros(WIDTH))
    assert load_head(head) is not before


def test_results_of_a_head_that_was_trained_again_are_other_results(tmp_path: Path) -> None:
    path, spec = tmp_path / "head.safetensors", load("builtin").spec
    options = SegmentOptions(method="head", param=(f"weights={path}",), device="cpu")
    runs, heads = [], []
    for weight in (0.0, 1.0):
        save_plain_head(path, spec, torch.full((spec.width,), weight))
        runs += [run_of(Segmenter(method="head", param=options.param, device="cpu")) for _ in range(2)]
        heads += [MethodPredictor(options).subject.head for _ in range(2)]
    assert runs[0] == runs[1] != runs[2] == runs[3]
    assert heads[0] == heads[1] != heads[2] == heads[3]
