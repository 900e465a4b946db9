"""The bilateral solver against the published programs."""

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes, label

from dinoseg.refine.bilateral import SIGMAS, bistochastic, make_grid, solve
from tests.helpers import GOLDEN, disk_photo
from tests.methods.scenes import iou


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "methods.npz") as arrays:
        return {name.removeprefix("refine/"): arrays[name] for name in arrays if name.startswith("refine/")}


def regions(soft):
    """The published programs' last step: regions of the mask and of what is around, numbered by falling area."""
    filled = binary_fill_holes(soft > 0.5)
    numbers = label(filled)[0]
    return np.argsort(-np.bincount(numbers.ravel()), kind="stable"), numbers


@pytest.mark.shared
@pytest.mark.parametrize(("name", "sigmas"), [("cli", (16, 16, 8)), ("default", (24, 4, 4))])
def test_golden_soft_and_binary(golden, name, sigmas):
    soft = solve(golden["coarse"], golden["image"], sigmas)
    np.testing.assert_allclose(soft, golden[f"bilateral_{name}_soft"], atol=1e-6)
    order, numbers = regions(soft)
    np.testing.assert_array_equal(numbers == order[1], golden[f"bilateral_{name}_binary"])


@pytest.mark.shared
def test_golden_all_components_of_found(golden):
    order, numbers = regions(solve(golden["coarse"], golden["image"], (16, 16, 8)))
    np.testing.assert_array_equal(numbers != order[0], golden["bilateral_found_allcc"])


@pytest.mark.shared
def test_golden_vertices(golden):
    assert make_grid(golden["image"], SIGMAS).neighbours.shape[0] == golden["grid_vertices"]


def test_rows_of_the_normalised_blur_sum_to_the_pixels_of_a_vertex():
    grid = make_grid(disk_photo(60, 80)[0], SIGMAS)
    n, m = bistochastic(grid)
    np.testing.assert_allclose(m, grid.splat(np.ones(60 * 80)), rtol=0.05)
    np.testing.assert_allclose(n * grid.blur(n), m)


def test_neighbours_are_one_step_of_one_coordinate_apart():
    pixels = np.zeros((1, 40, 3), np.uint8)
    grid = make_grid(pixels, (16, 16, 8))  # three cells in a row: x / 16 is 0, 1, 2
    np.testing.assert_array_equal(grid.neighbours.toarray(), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])


def test_edges_of_the_image_move_the_mask():
    pixels, mask = disk_photo(120, 160)
    shifted = np.roll(mask, 8, axis=1).astype(np.float32)
    assert iou(solve(shifted, pixels) > 0.5, mask) > max(0.9, iou(shifted > 0, mask))
