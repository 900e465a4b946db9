"""Refinements by name, and what happens when one loses the object."""

from dataclasses import replace

import numpy as np
import pytest

import dinoseg
from dinoseg import refine as room
from dinoseg.errors import OptionError
from dinoseg.images.fit import to_photo
from dinoseg.refine import REFINEMENTS, REFUSED, agree, refine
from tests.methods.scenes import iou
from tests.refine.scenes import coarse


def test_none_is_bilinear():
    photo, _, fitted, soft = coarse()
    np.testing.assert_array_equal(refine("none", soft, photo, fitted).soft, to_photo(soft, fitted))


@pytest.mark.parametrize("name", REFINEMENTS)
@pytest.mark.parametrize(
    "size",
    [(120, 160), (121, 77), (8, 9), (1, 1), (1, 300), (900, 40)],
    ids=str,
)
def test_a14_masks_have_the_size_of_the_upright_photo(name, size):
    photo, _, fitted, soft = coarse(*size)
    before = soft.copy()
    result = refine(name, soft, photo, fitted).soft
    assert result.shape == size
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1
    np.testing.assert_array_equal(soft, before)  # the method's map is kept in the result: never changed


@pytest.mark.parametrize("name", REFINEMENTS)
@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_a18_empty_masks_stay_empty_and_full_ones_full(name, value):
    photo, _, fitted, soft = coarse()
    result, refused = refine(name, np.full_like(soft, value), photo, fitted)
    assert not refused
    np.testing.assert_array_equal(result > 0.5, value > 0.5)


@pytest.mark.parametrize("name", ["guided", "none"])
def test_a18_flat_maps_keep_their_value(name):
    photo, _, fitted, soft = coarse()
    np.testing.assert_allclose(refine(name, np.full_like(soft, 0.25), photo, fitted).soft, 0.25, atol=1e-5)


@pytest.mark.parametrize("name", REFINEMENTS)
def test_a13_a_constant_image_keeps_the_mask(name):
    photo, _, fitted, soft = coarse()
    grey = replace(photo, pixels=np.full_like(photo.pixels, 128))
    plain = refine("none", soft, photo, fitted).soft > 0.5
    assert iou(refine(name, soft, grey, fitted).soft > 0.5, plain) > 0.8  # refined, or refused where it would go


@pytest.mark.parametrize("name", REFINEMENTS)
def test_masks_of_one_patch_are_not_lost(name):
    photo, _, fitted, soft = coarse(64, 64, size=64)
    one = np.zeros_like(soft)
    one[1, 2] = 1
    result, _ = refine(name, one, photo, fitted)
    assert result[24, 40] > 0.5  # the middle of that patch


@pytest.mark.parametrize("name", [name for name in REFINEMENTS if name != "none"])
@pytest.mark.parametrize("size", [(120, 160), (600, 800)], ids=["at its own size", "larger than working size"])
def test_masks_snap_to_edges(name, size):
    photo, mask, fitted, soft = coarse(*size, size=160)
    plain, refined = (iou(refine(each, soft, photo, fitted).soft > 0.5, mask) for each in ("none", name))
    assert refined > plain
    assert refined > 0.95


def test_unknown_name():
    photo, _, fitted, soft = coarse()
    with pytest.raises(OptionError, match=r"--refine sharp is unknown\. There are: guided, bilateral, crf, none"):
        refine("sharp", soft, photo, fitted)


def emptied(soft, photo, fitted):
    return np.zeros(photo.size, np.float32)


def inverted(soft, photo, fitted):
    return 1 - to_photo(soft, fitted)


def softened(soft, photo, fitted):
    return np.clip(to_photo(soft, fitted) * 1.1, 0, 1)


@pytest.mark.parametrize(("refinement", "used"), [(emptied, False), (inverted, False), (softened, True)])
def test_a_refinement_that_loses_the_object_is_not_used(monkeypatch, refinement, used):
    photo, _, fitted, soft = coarse()
    monkeypatch.setitem(REFINEMENTS, "other", "somewhere:filter")
    monkeypatch.setattr(room.REFINEMENTS, "load", lambda _: refinement)
    expected = refinement(soft, photo, fitted) if used else to_photo(soft, fitted)
    result, refused = refine("other", soft, photo, fitted)
    np.testing.assert_array_equal(result, expected)
    assert refused is not used
    told = dinoseg.segment(photo.pixels, method="prior", refine="other")
    assert (REFUSED in told.notes) is not used
    assert told.instances


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], True),
        ([1, 1, 0, 0], [1, 0, 0, 0], True),  # exactly half
        ([1, 1, 1, 0], [1, 0, 0, 0], False),
        ([1, 1, 0, 0], [0, 0, 0, 0], False),
        ([0, 0, 0, 0], [0, 0, 0, 0], True),
        ([0, 0, 0, 0], [1, 0, 0, 0], False),
        ([1, 0, 0, 0], [1, 1, 1, 1], False),
        ([1, 1, 1, 0], [1, 1, 1, 1], False),  # all of the frame is no object
        ([1, 1, 1, 1], [1, 1, 1, 1], True),
        ([1] * 900 + [0] * 100, [1] * 995 + [0] * 5, False),  # nor is all but a sliver
    ],
)
def test_agree(before, after, same):
    assert agree(np.array(before, bool), np.array(after, bool)) is same
