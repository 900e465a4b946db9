"""Descriptors of objects: what they look like, and nothing else about them changes."""

import numpy as np
import pytest

from dinoseg.methods import make_method
from dinoseg.methods.described import Described, descriptor
from tests.methods.scenes import found, three_disks


def two_sorts(scale=1.0):
    """Tokens ``(4, 6, 3)``: the left half looks along x, the right half along y, at any length."""
    tokens = np.zeros((4, 6, 3))
    tokens[:, :3, 0] = scale
    tokens[:, 3:, 1] = 1
    return tokens


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (slice(0, 3), (1, 0, 0)),
        (slice(3, 6), (0, 1, 0)),
        (slice(0, 6), (0.5**0.5, 0.5**0.5, 0)),  # both halves count alike, however long their tokens are
    ],
)
def test_mean_of_unit_tokens_under_the_mask(columns, expected):
    soft = np.full((4, 6), 0.4, np.float32)
    soft[:, columns] = 0.6
    vector = descriptor(soft, two_sorts(scale=100))
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, expected, atol=1e-6)


@pytest.mark.parametrize(
    "soft",
    [
        np.pad(np.full((1, 1), 0.3, np.float32), ((0, 3), (5, 0))),  # nowhere above 0.5: where it is largest
        np.repeat(np.repeat(np.pad(np.ones((1, 1), np.float32), ((0, 3), (5, 0))), 5, 0), 5, 1),  # a finer map
    ],
    ids=["faint", "fine"],
)
def test_every_object_has_one(soft):
    np.testing.assert_allclose(descriptor(soft, two_sorts()), (0, 1, 0), atol=1e-6)


@pytest.mark.parametrize("name", ["maskcut", "attention-cut"])
def test_the_objects_stay_as_they_are(name):
    _, given = three_disks()
    plain, more = found(name, given).objects, found(Described(make_method(name)), given).objects
    assert len(plain) == len(more) > 0
    for before, after in zip(plain, more, strict=True):
        np.testing.assert_array_equal(before.soft, after.soft)
        assert (before.score, before.descriptor) == (after.score, None)
        assert np.linalg.norm(after.descriptor) == pytest.approx(1)


def test_it_asks_for_what_the_method_needs_and_the_tokens():
    assert Described(make_method("tokencut")).facets("dino") == ("key", "token")
    assert Described(make_method("tokencut")).facets("dinov2") == ("token",)
