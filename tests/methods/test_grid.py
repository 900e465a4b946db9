"""Border, components, smoothing."""

import numpy as np
import pytest

from dinoseg.methods.grid import border_of, components, smooth


@pytest.mark.parametrize(("grid", "inside"), [((4, 5), 6), ((3, 3), 1), ((2, 9), 0), ((1, 1), 0)])
def test_border(grid, inside):
    border = border_of(grid)
    assert border.shape == grid
    assert (~border).sum() == inside


def test_components_do_not_join_over_corners():
    mask = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0]], bool)
    pieces = components(mask)
    assert [int(piece.sum()) for piece in pieces] == [1, 3]
    np.testing.assert_array_equal(np.logical_or.reduce(pieces), mask)
    assert components(np.zeros((2, 2), bool)) == []


def test_smooth_works_on_each_map_and_keeps_means():
    maps = np.random.default_rng(0).uniform(size=(3, 9, 7))
    blurred = smooth(maps, 1.0)
    np.testing.assert_allclose(blurred[1], smooth(maps[1], 1.0))
    assert blurred.std() < maps.std() / 2
    np.testing.assert_allclose(smooth(np.full((4, 4), 2.0), 1.0), 2.0)
    assert smooth(maps, 0) is maps
