"""Refinements by name, and what happens when one loses the object."""

from types import SimpleNamespace

import numpy as np
import pytest

from dinoseg import refine as room
from dinoseg.errors import OptionError
from dinoseg.images.fit import to_photo
from dinoseg.refine import REFINEMENTS, agree, refine
from tests.refine.scenes import coarse


def test_none_is_bilinear():
    photo, _, fitted, soft = coarse()
    np.testing.assert_array_equal(refine("none", soft, photo, fitted), to_photo(soft, fitted))


@pytest.mark.parametrize("name", REFINEMENTS)
@pytest.mark.parametrize(
    "size",
    [(120, 160), (121, 77), (8, 9), (1, 1), (1, 300), (900, 40)],
    ids=str,
)
def test_a14_masks_have_the_size_of_the_upright_photo(name, size):
    photo, _, fitted, soft = coarse(*size)
    before = soft.copy()
    result = refine(name, soft, photo, fitted)
    assert result.shape == size
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1
    np.testing.assert_array_equal(soft, before)  # the method's map is kept in the result: never changed


@pytest.mark.parametrize("name", REFINEMENTS)
@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_a18_flat_maps_stay_flat(name, value):
    photo, _, fitted, soft = coarse()
    np.testing.assert_allclose(refine(name, np.full_like(soft, value), photo, fitted), value, atol=1e-5)


def test_unknown_name():
    photo, _, fitted, soft = coarse()
    with pytest.raises(OptionError, match=r"--refine crf is unknown\. There are: guided, none"):
        refine("crf", soft, photo, fitted)


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
    monkeypatch.setattr(room, "import_module", lambda _: SimpleNamespace(filter=refinement))
    expected = refinement(soft, photo, fitted) if used else to_photo(soft, fitted)
    np.testing.assert_array_equal(refine("other", soft, photo, fitted), expected)


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
    ],
)
def test_agree(before, after, same):
    assert agree(np.array(before, bool), np.array(after, bool)) is same
