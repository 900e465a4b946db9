"""Weights between patches by their likeness: sharing, background, batches."""

import numpy as np
import pytest
import torch

from dinoseg.methods import likeness as module
from dinoseg.methods.likeness import Likeness, object_maps

GRID = (5, 6)


def likeness_of(features, power=7.0):
    return Likeness.of(torch.from_numpy(features).float()[None], power)


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(30, 4))


def test_positive_cosines_to_a_power(points):
    rows = points / np.linalg.norm(points, axis=1, keepdims=True)
    expected = np.maximum(rows @ rows.T, 0) ** 3
    np.testing.assert_allclose(likeness_of(points, 3.0).weights[0], expected, atol=1e-6)


def test_a_share_is_the_mean_by_likeness(points):
    alike = likeness_of(points)
    maps = np.random.default_rng(1).uniform(size=(2, 30))
    weights = alike.weights[0].numpy().astype(np.float64)
    expected = (weights @ maps.T / weights.sum(axis=1)[:, None]).T
    np.testing.assert_allclose(alike.share(torch.from_numpy(maps).float()[None])[0], expected, rtol=1e-5)


def test_features_of_zeros_share_with_nobody(points):
    points[7] = 0
    shared = likeness_of(points).share(torch.arange(30.0)[None, None])[0, 0]
    assert shared[7] == pytest.approx(7)
    assert shared.isfinite().all()


def test_background_of_an_even_image_is_even():
    """Connectivity is in units of this case, so reach 1 gives 1 - exp(-1/2) everywhere."""
    np.testing.assert_allclose(likeness_of(np.ones((30, 4))).background(GRID, 1.0), 1 - np.exp(-0.5), rtol=1e-5)


def test_background_is_what_has_its_like_on_the_border():
    kinds = np.ones(GRID, int)
    kinds[1:-1, 1:-1], kinds[2, 2] = 0, 2
    background = likeness_of(np.eye(3)[kinds.ravel()]).background(GRID, 0.3)[0].reshape(GRID)
    assert background[kinds == 1].min() > 0.99
    assert background[kinds != 1].max() == 0


def test_images_of_a_batch_do_not_touch_each_other(points, monkeypatch):
    batch = torch.from_numpy(np.stack([points, -points[::-1], points**2, np.ones_like(points)])).float()
    maps = torch.rand(4, 2, 30, generator=torch.Generator().manual_seed(0))
    pairs = zip(batch, maps, strict=True)
    alone = [object_maps(one[None], map_[None], GRID, power=7, reach=0.3)[0][0] for one, map_ in pairs]
    for at_once in (1, 2, 4):  # a GPU takes several at once
        monkeypatch.setattr(module, "graphs_at_once", lambda device, count, n=at_once: n)
        shared, degenerate = object_maps(batch, maps, GRID, power=7, reach=0.3)
        torch.testing.assert_close(shared, torch.stack(alone))
        assert degenerate.tolist() == [False, False, False, True]
