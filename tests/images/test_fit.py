"""Onto the patch grid and back, by properties that hold for every size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinoseg.images.fit import fit, middle_of, patch_at, to_photo
from dinoseg.types import Fit, Photo
from tests.helpers import disk_photo, gradient

SIDES = st.integers(1, 300)
PATCHES = st.sampled_from([8, 10, 14, 16])


def blank(height, width):
    return Photo("blank", np.full((height, width, 3), 77, np.uint8), (height, width))


def fitted(height, width, patch=16, size=None):
    return fit(blank(height, width), patch, size)[1]


CASES = [
    ((480, 640), 16, None, (384, 512)),  # 32 patches along the long side
    ((640, 480), 14, None, (448, 336)),  # upright, another patch
    ((480, 640), 16, 500, (375, 500)),  # a size that is no multiple of the patch
    ((100, 100), 16, None, (200, 200)),  # enlarged twofold, not more
    ((512, 512), 16, None, (512, 512)),  # as it is
    ((1, 1), 16, None, (16, 16)),  # a13: one patch is the least
    ((100, 20000), 16, None, (16, 512)),  # a15: the strip keeps the budget
    ((20000, 100), 8, 640, (640, 8)),  # a15: standing
    ((3000, 4000), 16, 32, (24, 32)),  # a size of two patches
]


@pytest.mark.parametrize(("photo", "patch", "size", "scaled"), CASES)
def test_a13_a15_working_size(photo, patch, size, scaled):
    pixels, there = fit(blank(*photo), patch, size)
    assert there.scaled == pixels.shape[:2] == scaled
    assert there.size == photo
    assert (pixels == 77).all()


@given(SIDES, SIDES, PATCHES, st.none() | st.integers(16, 400))
def test_a14_the_grid_covers_the_photo_by_less_than_one_patch(height, width, patch, size):
    there = fitted(height, width, patch, size)
    for side, scaled, cells in zip(there.size, there.scaled, there.grid, strict=True):
        assert cells >= 1
        assert 0 <= cells * patch - scaled < patch
        assert scaled <= max(2 * side, patch)
    assert max(there.scaled) <= max(size or 32 * patch, patch)


@given(st.integers(50, 300), st.integers(50, 300), PATCHES)
def test_the_aspect_is_kept_to_half_a_pixel(height, width, patch):
    there = fitted(height, width, patch, 200)
    scale = max(there.scaled) / max(height, width)
    assert np.allclose(there.scaled, (height * scale, width * scale), atol=0.51)


def test_shrinking_averages_areas():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255  # one pixel wide: skipping pixels would give plain black or plain white
    pixels, _ = fit(Photo("stripes", stripes, (64, 64)), 16, 16)
    assert np.abs(pixels.astype(int) - 127.5).max() <= 1


def test_enlarging_is_smooth():
    pixels, _ = fit(Photo("ramp", gradient(32, 64), (32, 64)), 16, None)
    assert pixels.shape == (64, 128, 3)
    assert np.abs(np.diff(pixels[32, 8:-8, 0].astype(int), 2)).max() <= 1  # the ramp has no steps


def test_a15_a_thin_strip_is_averaged_along_and_enlarged_across():
    strip = np.zeros((5, 20000, 3), np.uint8)
    strip[:, ::2] = 255
    pixels, _ = fit(Photo("strip", strip, (5, 20000)), 16, None)
    assert pixels.shape == (16, 512, 3)
    assert np.abs(pixels.astype(int) - 127.5).max() <= 5


def test_a_photo_decoded_at_reduced_scale_fits_as_the_whole_one():
    whole = gradient(300, 450)
    pixels, there = fit(Photo("a", np.ascontiguousarray(whole[::2, ::2]), (300, 450)), 16, None)
    assert there == fit(Photo("a", whole, (300, 450)), 16, None)[1]
    assert pixels.shape[:2] == there.scaled


def test_a23_the_photo_is_left_as_it_is():
    photo = Photo("a", gradient(), (48, 64))
    fit(photo, 16, None)
    np.testing.assert_array_equal(photo.pixels, gradient())


# The way back.


@given(SIDES, SIDES, PATCHES, st.integers(1, 3), st.booleans())
def test_a14_the_way_back_has_the_photos_size(height, width, patch, finer, nearest):
    there = fitted(height, width, patch)
    back = to_photo(np.zeros((there.grid[0] * finer, there.grid[1]), np.float32), there, nearest=nearest)
    assert back.shape == (height, width)
    assert back.dtype == np.float32


@given(SIDES, SIDES, st.floats(0, 1, width=32), st.booleans())
def test_constants_come_back_exactly(height, width, value, nearest):
    there = fitted(height, width)
    assert (to_photo(np.full(there.grid, value, np.float32), there, nearest=nearest) == np.float32(value)).all()


@given(st.integers(40, 300), st.integers(40, 300), PATCHES, st.integers(1, 3))
def test_ramps_come_back_exactly(height, width, patch, finer):
    """A map that says for each cell where its centre lies in the photo must say so for every pixel between them."""
    there = fitted(height, width, patch)
    mh, mw = there.grid[0] * finer, there.grid[1] * finer
    step_y, step_x = (
        patch / finer * height / there.scaled[0],
        patch / finer * width / there.scaled[1],
    )  # px of the photo
    cell_y, cell_x = (np.arange(mh) + 0.5) * step_y, (np.arange(mw) + 0.5) * step_x
    y, x = np.arange(height) + 0.5, np.arange(width) + 0.5
    for cells, pixels in (
        (cell_y[:, None] + 0 * cell_x, y[:, None] + 0 * x),
        (cell_x + 0 * cell_y[:, None], x + 0 * y[:, None]),
    ):
        back = to_photo(cells.astype(np.float32), there)
        inside = np.ix_((y >= cell_y[0]) & (y <= cell_y[-1]), (x >= cell_x[0]) & (x <= cell_x[-1]))
        np.testing.assert_allclose(back[inside], pixels[inside], atol=2e-3)


def test_beyond_the_outer_centres_the_border_value_stays():
    there = Fit((32, 32), (32, 32), (2, 2), 16)
    back = to_photo(np.array([[0, 1], [0, 1]], np.float32), there)
    assert (back[:, :8] == 0).all()
    assert (back[:, 24:] == 1).all()
    np.testing.assert_allclose(back[0, 8:24], (np.arange(16) + 0.5) / 16)


def test_nearest_repeats_cells_and_cuts_the_padding_off():
    there = Fit((20, 40), (20, 40), (2, 3), 16)  # 12 px of padding below, 8 to the right
    map_ = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(to_photo(map_, there, nearest=True), np.kron(map_, np.ones((16, 16)))[:20, :40])


def test_the_mask_of_a_disk_survives_the_way_there_and_back():
    photo, mask = disk_photo(301, 407, radius=90)
    pixels, there = fit(Photo("disk", photo, mask.shape), 10, None)
    padded = np.zeros((there.grid[0] * 10, there.grid[1] * 10), np.float32)
    padded[: there.scaled[0], : there.scaled[1]] = pixels[..., 0].astype(float) - pixels[..., 2] > 70  # the red disk
    back = to_photo(padded, there) > 0.5
    assert (back & mask).sum() / (back | mask).sum() > 0.97


def test_a_large_photo_from_a_small_map():
    there = fitted(3000, 4000)
    assert to_photo(np.random.default_rng(0).random(there.grid, np.float32), there).shape == (3000, 4000)


@pytest.mark.parametrize(
    ("pixel", "patch"),
    [
        ((0, 0), 0),  # first pixel, first patch
        ((99, 0), 7),  # end of the first row: the last column of 8
        ((0, 69), 5 * 8),  # 70 px become 45, the last rows lie in patch row 5 of 6
        ((50, 35), 2 * 8 + 4),  # the middle
        ((99.9, 69.9), 5 * 8 + 7),  # within the last pixel
        ((100, 0), None),  # one px too far
        ((0, 70), None),
        ((-0.1, 0), None),
    ],
)
def test_patch_under_a_pixel(pixel, patch):
    assert patch_at(pixel, Fit((70, 100), (45, 64), (6, 8), 8)) == patch


@given(height=st.integers(24, 300), width=st.integers(24, 300), patch=PATCHES)
def test_the_middle_of_a_patch_lies_in_it(height, width, patch):
    there = fitted(height, width, patch)
    for index in (0, there.grid[1] - 1, there.grid[0] * there.grid[1] // 2):
        x, y = middle_of(index, there)
        assert 0 <= x < width
        assert 0 <= y < height
        assert patch_at((x, y), there) in (index, index - 1)  # of the last column a sliver may be in the picture


def test_the_middle_of_a_patch_that_is_cut_off():
    there = Fit((70, 100), (45, 64), (6, 8), 8)  # 5 px of the last row are in the picture
    assert middle_of(0, there) == (6, 6)
    assert middle_of(5 * 8 + 7, there) == (93, 66)
