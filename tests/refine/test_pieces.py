"""Crumbs and pinholes: what is taken away, and what stays."""

from dataclasses import replace

import numpy as np
import pytest

from dinoseg.refine import REFINEMENTS, refine
from dinoseg.refine.pieces import connected_parts, own_part, without_crumbs
from tests.refine.scenes import coarse


def scene(value=0.9):
    """An object of 100 x 100 px on a frame of 200 x 240."""
    soft = np.full((200, 240), 0.1, np.float32)
    soft[50:150, 20:120] = value
    return soft


@pytest.mark.parametrize(
    ("piece", "stays"),
    [
        (np.s_[10:11, 200:201], False),  # one pixel
        (np.s_[10:19, 200:211], False),  # 99 px of 10,000
        (np.s_[10:20, 200:210], True),  # 100: one per cent
        (np.s_[0:9, 230:240], False),  # at the frame's corner
        (np.s_[150:155, 120:125], True),  # it hangs on by a corner
    ],
)
def test_pieces_below_one_per_cent_of_the_largest_are_dropped(piece, stays):
    soft = scene()
    soft[piece] = 0.8
    before = soft.copy()
    result = without_crumbs(soft)
    assert (result[piece] > 0.5).all() == stays
    np.testing.assert_allclose(result[piece], 0.8 if stays else 0.2, rtol=1e-6)
    before[piece] = result[piece]
    np.testing.assert_array_equal(result, before)  # all else stays


@pytest.mark.parametrize(
    ("hole", "filled"),
    [
        (np.s_[80:81, 60:61], True),
        (np.s_[80:85, 60:65], True),  # 25 px of 10,000
        (np.s_[80:86, 60:66], False),  # 36: a hole that may be one
        (np.s_[50:55, 60:61], False),  # a notch in the outline
        (np.s_[50:51, 20:21], False),  # a corner
    ],
)
def test_pinholes_are_filled(hole, filled):
    soft = scene()
    soft[hole] = 0.3
    result = without_crumbs(soft)
    assert (result[hole] > 0.5).all() == filled


def test_a_hole_at_the_frame_is_none():
    soft = np.full((100, 100), 0.9, np.float32)
    soft[0, 50] = 0.1
    assert without_crumbs(soft)[0, 50] == np.float32(0.1)


@pytest.mark.parametrize("value", [0.1, 0.5, 0.9])
def test_an_even_map_stays(value):
    soft = np.full((8, 8), value, np.float32)
    np.testing.assert_array_equal(without_crumbs(soft.copy()), soft)


@pytest.mark.parametrize("name", REFINEMENTS)
def test_what_was_refined_has_no_crumbs_and_what_was_not_is_left(name):
    photo, _, fitted, soft = coarse(480, 640, size=160, patch=4)
    soft[0, -1] = 1  # a patch of its own, 16 x 16 px beside a disk of some 45,000 px
    bright = photo.pixels.copy()
    bright[:16, -16:] = 255
    mask = refine(name, soft, replace(photo, pixels=bright), fitted).soft > 0.5
    assert mask[:16, -16:].any() == (name == "none")


def test_parts_hang_together_by_corners_and_small_ones_are_none():
    mask = np.zeros((40, 40), bool)
    mask[2:12, 2:12] = mask[12:22, 12:22] = True  # 200, by a corner
    mask[30:36, 2:8] = True  # 36
    mask[30:33, 30:35] = True  # 15 < 8 % of 200
    parts = connected_parts(mask)
    assert [int(part.sum()) for part in parts] == [200, 36]
    assert (parts[0] & parts[1]).sum() == 0


def test_a_part_owns_the_soft_pixels_that_are_nearest_to_it():
    soft = np.full((10, 30), 0.2, np.float32)
    soft[:, :8] = soft[:, 22:] = 0.9
    left = np.zeros((10, 30), bool)
    left[:, :8] = True
    own = own_part(soft, left)
    assert (own[:, :14] == soft[:, :14]).all()
    assert not own[:, 16:].any()
    assert own_part(soft, soft > 0.5) is soft
