"""From which weights a run starts, what stays frozen, and which sizes fit."""

import numpy as np
import pytest
import torch

from dinoseg.backbone import names
from dinoseg.errors import OptionError, WeightsNotFound
from dinoseg.training.network import new_network
from dinoseg.training.recipe import DINO
from dinoseg.training.start import Start, layer_rates, stage, starting_backbone
from tests.networks import save_teacher, small_teacher
from tests.training.tiny import options, small_head


@pytest.fixture
def file(tmp_path) -> str:
    """Patch 8, width 32, depth 2, 2 heads, a position table of 28 x 28."""
    save_teacher(tmp_path / "teacher.safetensors")
    return str(tmp_path / "teacher.safetensors")


def from_file(file: str, **changes):
    shape = {"patch": None, "width": None, "depth": None, "heads": None}
    return options(init=file, **(shape | changes))


@pytest.mark.parametrize("family", ["dino", "dinov2", "dinov3"])
def test_student_and_teacher_start_from_the_file_with_its_grid_and_table(family, tmp_path, monkeypatch):
    small_head(monkeypatch)
    save_teacher(tmp_path / "teacher.safetensors", family=family)
    expected = small_teacher(family).vit.state_dict()
    dino = DINO(from_file(str(tmp_path / "teacher.safetensors"), heads=2), torch.device("cpu"))
    for side in (dino.student, dino.teacher):
        assert side.backbone.spec.patch == 8
        found = side.backbone.vit.state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    crops = torch.randn(2, 4, 3, 16, 16), torch.randn(2, 4, 3, 8, 8)
    dino.student(*crops).sum().backward()  # every family learns
    grads = {name: p.grad for name, p in dino.student.backbone.vit.named_parameters() if p.requires_grad}
    assert all(grad is not None for grad in grads.values())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"width": 48, "heads": 2}, r"--width 48 is not that of .* \(32\)"),
        ({"depth": 3}, r"--depth 3 is not that of .* \(2\)"),
        ({"patch": 16, "global_size": 32, "local_size": 16}, r"--patch 16 is not that of .* \(8\)"),
        ({"global_size": 20}, r"--global-size 20 does not lie on the grid .* 16 or 24"),
        ({"local_size": 4}, r"--local-size 4 does not lie on the grid .*: 8"),
        ({"freeze_blocks": 3}, "--freeze-blocks 3 .*has 2 blocks"),
    ],
)
def test_sizes_that_do_not_fit_the_file_are_refused(changes, told, file):
    with pytest.raises(OptionError, match=told):
        Start.read(from_file(file, **changes))


@pytest.mark.parametrize("name", ["init", "distil_from"])
def test_offline_nothing_is_fetched(name, tmp_path, monkeypatch):
    monkeypatch.setattr(names, "cached", lambda _: None)
    monkeypatch.setattr(names, "ask_hub", lambda _: pytest.fail("the network was used"))
    shape = {"patch": None, "width": None, "depth": None, "heads": None} if name == "init" else {}
    with pytest.raises(WeightsNotFound, match="--offline forbids"):
        Start.read(options(**shape, **{name: "dino-vits8"}, offline=True))


def test_a_file_that_is_not_there_is_told_before_any_photograph_is_read(tmp_path):
    with pytest.raises(WeightsNotFound):
        Start.read(from_file(str(tmp_path / "none.safetensors")))


@pytest.mark.parametrize(("blocks", "frozen"), [(0, 0), (1, 1), (2, 2)])
def test_frozen_blocks_and_the_tokens_below_them_stay(blocks, frozen, file, monkeypatch):
    small_head(monkeypatch)
    settings = from_file(file, freeze_blocks=blocks)
    dino = DINO(settings, torch.device("cpu"))
    before = {name: p.detach().clone() for name, p in dino.student.named_parameters()}
    from tests.training.test_recipe import SETTINGS, crops

    dino.step(SETTINGS, *crops())
    moved = {name for name, p in dino.student.named_parameters() if not torch.equal(p, before[name])}
    still = {name for name in before if "vit" in name} - moved
    assert {name for name in still if stage(name, 2) > frozen} == set()
    expected = {name for name in before if blocks and "vit" in name and stage(name, 2) <= frozen}
    assert still == expected


def test_rates_fall_from_the_last_block_to_the_first():
    rate = layer_rates(0.5, depth=2)
    names = ("head.mlp.0.weight", "backbone.vit.norm.weight", "backbone.vit.blocks.1.norm1.bias")
    assert [rate(name) for name in names] == [1, 1, 0.5]
    below = ("backbone.vit.blocks.0.mlp.fc1.weight", "backbone.vit.pos_embed", "backbone.vit.patch_embed.proj.bias")
    np.testing.assert_allclose([rate(name) for name in below], [0.25, 0.125, 0.125])


def test_rates_reach_the_optimiser(file, monkeypatch):
    small_head(monkeypatch)
    dino = DINO(from_file(file, layer_decay=0.5), torch.device("cpu"))
    from tests.training.test_recipe import SETTINGS, crops

    dino.step(SETTINGS, *crops())
    by_parameter = {id(p): group["lr"] for group in dino.optimiser.param_groups for p in group["params"]}
    found = {name: by_parameter[id(p)] / SETTINGS.lr for name, p in dino.student.named_parameters() if p.requires_grad}
    assert found == {name: layer_rates(0.5, 2)(name) for name in found}


def test_without_a_file_the_network_is_that_of_the_options():
    assert Start.read(options()).spec == new_network(options()).backbone.spec
    assert starting_backbone(options(patch=None, global_size=32, local_size=16)).spec.patch == 16


@pytest.mark.parametrize(("patch", "crop"), [(8, 16), (16, 16), (4, 32)])  # a teacher of patch 8, grids of 2, 1, 4
def test_crops_are_kept_large_enough_for_the_teacher(patch, crop, file):
    asked = options(distil_from=file, patch=patch, local_size=16)
    assert Start.read(asked).crop(asked) == crop
