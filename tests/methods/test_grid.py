"""Border, components, smoothing."""

import numpy as np
import pytest

from dinoseg.methods.grid import border_of, components, smooth, trimmed
from tests.helpers import GOLDEN
from tests.methods.scenes import CASES


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


@pytest.mark.parametrize("dilate", [3, 5])
@pytest.mark.parametrize("case", CASES)
def test_golden_boxes_of_trimmed_regions(case, dilate):
    golden = np.load(GOLDEN / "methods.npz")
    labels, patch = golden[f"{case}/ds_multi_fixed4"], golden[f"{case}/patch"]
    boxes = golden[f"{case}/ds_region_boxes_e2d{dilate}"]
    for number, box in zip(golden[f"{case}/ds_region_labels"], boxes, strict=True):
        y, x = np.nonzero(trimmed(labels == number, 2, dilate))
        assert [x.min() * patch, y.min() * patch, (x.max() + 1) * patch, (y.max() + 1) * patch] == box.tolist()


def test_a_region_too_thin_to_erode_stays():
    thin = np.zeros((7, 7), bool)
    thin[3, 1:6] = True
    np.testing.assert_array_equal(trimmed(thin, 2, 0), thin)
    np.testing.assert_array_equal(trimmed(np.ones((3, 3), bool), 2, 0), True)  # outside counts as inside
