"""Floors know the picture's size and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dinoseg.backbone.zoo import load
from dinoseg.evaluation.metrics.floors import centred_ellipse, whole_image
from dinoseg.evaluation.untrained import write_random_weights
from dinoseg.options import ModelOptions


def test_the_ellipse_is_centred_and_covers_half_of_the_picture() -> None:
    mask = centred_ellipse((100, 240))
    assert mask.shape == (100, 240)
    assert (mask == mask[::-1]).all()
    assert (mask == mask[:, ::-1]).all()
    assert mask.mean() == pytest.approx(torch.pi * 0.4**2, abs=0.001)
    assert (mask.any(axis=1).sum(), mask.any(axis=0).sum()) == (80, 192)  # 0.8 of each side


def test_the_whole_image_is_whole() -> None:
    assert whole_image((3, 5)).shape == (3, 5)
    assert whole_image((3, 5)).all()


def test_random_weights_have_the_shape_of_the_model_and_nothing_of_its_training(
    small_model: Path, tmp_path: Path
) -> None:
    options = ModelOptions(model=str(small_model))
    for name in ("a", "b"):
        write_random_weights(options, tmp_path / f"{name}.safetensors")
    write_random_weights(options, tmp_path / "c.safetensors", seed=1)
    model, a, b, c = (
        load(str(path), heads=2) for path in (small_model, *(tmp_path / f"{x}.safetensors" for x in "abc"))
    )
    shape = ("family", "patch", "width", "depth", "heads", "hidden", "registers", "positions", "layer_scale")
    assert all(getattr(a.spec, part) == getattr(model.spec, part) for part in shape)
    first = "blocks.0.mlp.fc1.weight"
    weights = [network.vit.state_dict()[first] for network in (model, a, b, c)]
    assert torch.equal(weights[1], weights[2])  # the same seed, the same weights
    assert not torch.equal(weights[1], weights[3])
    assert not torch.equal(weights[0], weights[1])
    assert weights[1].std() == pytest.approx(0.02, rel=0.1)  # timm's


def test_writing_them_leaves_the_random_numbers_of_others_alone(small_model: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    write_random_weights(ModelOptions(model=str(small_model)), tmp_path / "a.safetensors")
    assert torch.equal(torch.rand(4), expected)
