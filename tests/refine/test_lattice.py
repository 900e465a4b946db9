"""The lattice against the sum over all pairs of points."""

import numpy as np
import pytest

from dinoseg.refine.lattice import Lattice, key_of, numbered, simplices


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
def test_it_is_nearly_a_gaussian(dimensions):
    random = np.random.default_rng(dimensions)
    points = random.normal(0, 1.5, (600, dimensions)).astype(np.float32)
    values = random.uniform(size=600).astype(np.float32) * (points[:, 0] > 0)
    exact = np.exp(-((points[:, None] - points) ** 2).sum(axis=2) / 2) @ values
    assert np.corrcoef(exact, Lattice(points)(values))[0, 1] > 0.97


def test_filtering_is_symmetric_enough_to_normalise():
    random = np.random.default_rng(0)
    points = random.normal(0, 2, (300, 3)).astype(np.float32)
    lattice, (a, b) = Lattice(points), random.uniform(size=(2, 300)).astype(np.float32)
    np.testing.assert_allclose(a @ lattice(b), b @ lattice(a), rtol=0.02)


def test_points_are_between_their_vertices():
    below = np.array([[0, -3, 2, 1]], np.float32)
    rest = np.array([[0.5, 0.1, 0.8, 0.1]], np.float32)
    sides = np.array([1, 10, 100, -111])
    keys, weights = simplices(below, rest, sides)
    np.testing.assert_allclose(weights, [[0.3, 0.3, 0.4, 0]], atol=1e-6)  # 1 - 0.8 + 0.1, 0.8 - 0.5, 0.5 - 0.1, 0
    assert (keys[0, :3] - below @ sides).tolist() == [0, 100, 101]


def test_keys_tell_neighbours_apart_and_forget_the_common_part():
    below = np.array([[0, 0, 0], [4, -7, 1], [2, 3, -2]], np.float32)
    sides = key_of(below)
    assert sides.sum() == 0
    around = np.stack(np.meshgrid(range(-6, 7), range(-12, 8), [0], indexing="ij"), axis=-1).reshape(-1, 3)
    near = [v for v in around if any(np.ptp(np.append(v - (b - b[2]), 0)) <= 2 for b in below)]
    assert len({int(v @ sides) for v in near}) == len(near)


def test_numbered_is_unique_with_inverse():
    keys = np.array([5, -3, 5, 900, -3, 7], np.int64)
    for ours, theirs in zip(numbered(keys), np.unique(keys, return_inverse=True), strict=True):
        np.testing.assert_array_equal(ours, theirs)
