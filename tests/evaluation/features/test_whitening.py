"""Whitening and pooling as the reference program does them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dinoseg.backbone.features import Features
from dinoseg.evaluation.features.whitening import Whitening, cls_and_gem
from tests.helpers import GOLDEN


def test_directions_are_the_reference_programs() -> None:
    golden = np.load(GOLDEN / "training.npz")
    vectors = torch.from_numpy(golden["pca/input"])
    whiten = Whitening.learn(vectors, dims=4)
    np.testing.assert_allclose((vectors @ whiten.directions).abs().numpy(), golden["pca/output_abs"], atol=1e-4)


def test_trap45_the_mean_is_taken_out_of_what_is_whitened_only() -> None:
    vectors = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([5.0, 0.0, 0.0])
    whiten = Whitening.learn(vectors, dims=3)
    second = vectors @ whiten.directions
    torch.testing.assert_close(second.T @ second / 50, torch.eye(3), rtol=0, atol=1e-3)  # not centred
    middle, way = vectors.mean(dim=0, keepdim=True), torch.tensor([[0.3, -0.2, 0.5]])
    torch.testing.assert_close(whiten(middle + way), -whiten(middle - way))  # the mean is the middle of what comes out
    torch.testing.assert_close(whiten(vectors).norm(dim=1), torch.ones(50))


def test_directions_without_extent_stay_finite() -> None:
    vectors = torch.zeros(10, 4)
    vectors[:, 0] = torch.arange(10.0)
    assert Whitening.learn(vectors, dims=4)(vectors).isfinite().all()


def test_gem_of_equal_patches_is_the_patch_and_negative_values_are_cut() -> None:
    patch = torch.tensor([2.0, 0.5, -3.0])
    tokens = patch.expand(1, 2, 3, 3)  # (B, gh, gw, d)
    features = Features(torch.zeros(1, 1, 2, 3), "dino", 8, {"token": tokens}, torch.tensor([[7.0, 8.0, 9.0]]))
    expected = torch.tensor([[7.0, 8.0, 9.0, 2.0, 0.5, 1e-6]])
    torch.testing.assert_close(cls_and_gem(torch.zeros(1, 3, 16, 24), features), expected)
    tokens = torch.tensor([1.0, 3.0]).view(1, 1, 2, 1)
    features = Features(torch.zeros(1, 1, 1, 2), "dino", 8, {"token": tokens}, torch.zeros(1, 1))
    assert cls_and_gem(torch.zeros(1, 3, 8, 16), features)[0, 1].item() == pytest.approx(((1 + 3**4) / 2) ** 0.25)
