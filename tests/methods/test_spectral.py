"""``spectral`` against the reference's eigenvectors and regions."""

import numpy as np
import pytest
from skimage.measure import label
from sklearn.metrics import adjusted_rand_score

from dinoseg.methods.base import View
from dinoseg.methods.spectral import Spectral, eigengap, front, smaller_side
from tests.helpers import GOLDEN
from tests.methods.scenes import CASES, features, fit_of, found, golden_features, iou, three_disks


@pytest.mark.parametrize("case", CASES)
def test_golden_single_region(case):
    golden = np.load(GOLDEN / "methods.npz")
    (proposal,) = found("spectral", golden_features(golden, case)).objects
    np.testing.assert_array_equal(proposal.soft > 0.5, golden[f"{case}/ds_single"])
    pieces = label(proposal.soft > 0.5)  # 8-connected
    y, x = np.nonzero(pieces == np.bincount(pieces.ravel())[1:].argmax() + 1)
    patch = golden[f"{case}/patch"]
    box = [x.min() * patch, y.min() * patch, (x.max() + 1) * patch, (y.max() + 1) * patch]
    assert box == golden[f"{case}/ds_box"].tolist()


@pytest.mark.parametrize("case", ["three20"])  # in all others the reference's k-means depends on its seed
def test_golden_regions(case):
    golden = np.load(GOLDEN / "methods.npz")
    expected = golden[f"{case}/ds_multi_fixed4"]
    proposals = found(Spectral(regions="many", clusters=4), golden_features(golden, case)).objects
    labels = sum(number * proposal.soft for number, proposal in enumerate(proposals, 1))
    assert adjusted_rand_score(expected.ravel(), labels.ravel()) == 1
    np.testing.assert_array_equal(labels == 0, expected == 0)


@pytest.mark.parametrize("case", CASES)  # the regions themselves depend on the seed of the reference's k-means
def test_golden_number_of_regions(case):
    golden = np.load(GOLDEN / "methods.npz")
    assert eigengap(golden[f"{case}/ds_eigvals"][1:]) == len(np.unique(golden[f"{case}/ds_multi_adaptive"]))


def test_as_many_regions_as_there_are():
    disks, given = three_disks()
    masks = [proposal.soft > 0.5 for proposal in found(Spectral(regions="many"), given).objects]
    assert len(masks) == 3
    assert [max(iou(mask, object_) for mask in masks) > 0.9 for object_ in disks] == [True] * 3
    assert masks[0].sum() >= masks[1].sum() >= masks[2].sum()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.4, 0.5, 0.6), 2),  # the gap before the first of these, from 0, does not count
        ((0.0, 0.9, 0.95), 2),
        ((0.1, 0.2, 0.9, 0.95), 3),
        ((0.1, 0.2, 0.3, 0.9), 4),
        ((0.4,), 2),  # three patches have no more
    ],
)
def test_eigengap(values, expected):
    assert eigengap(values) == expected


@pytest.mark.parametrize(
    ("vector", "expected"),
    [
        ([1, 1, 1, -3], [0, 0, 0, 1]),
        ([-1, 1, -1, -1], [0, 1, 0, 0]),
        ([1, -1, 1, -1], [1, 0, 1, 0]),  # halves stay as they are
        ([1, 1, 1, 0], [0, 0, 0, 0]),  # nothing is negative
    ],
)
def test_not_more_than_half_is_object(vector, expected):
    np.testing.assert_array_equal(smaller_side(np.array(vector)), np.array(expected, bool))


def test_the_region_along_the_border_is_not_an_object():
    labels = np.zeros((5, 6), int)
    labels[1:4, 1:5] = 1
    labels[2, 2:4] = 2
    first, second = front(labels)
    np.testing.assert_array_equal(first, labels == 1)
    np.testing.assert_array_equal(second, labels == 2)


def test_corners_count_twice():
    labels = np.ones((3, 3), int)
    labels[[0, 0, -1, -1], [0, -1, 0, -1]] = 0  # four corners outweigh four other cells
    (mask,) = front(labels)
    np.testing.assert_array_equal(mask, labels == 1)


def test_a18_three_groups_that_share_nothing_have_no_second_eigenvector():
    facet = np.eye(4)[np.repeat([0, 1, 2], 4)].reshape(3, 4, 4)
    given = features(np.random.default_rng(0).uniform(size=(2, 3, 4)), facet)
    assert found("spectral", given).reason == "degenerate_graph"


def test_a20_a_patch_of_zeros_is_joined_to_nothing():
    _, given = three_disks()
    given.facets["key"][0, 0, 0] = 0
    (proposal,) = found("spectral", given).objects
    assert 0 < proposal.soft.sum() < proposal.soft.size / 2


@pytest.mark.parametrize(("family", "centre"), [("dino", False), ("dinov2", False), ("dinov2", True)])
def test_nothing_is_centred_unless_it_is_asked_for(family, centre):
    facet = np.random.default_rng(0).uniform(1, 2, (6, 4))
    view = View(fit_of((2, 3)), family, np.ones((1, 2, 3)), {"key": facet})
    given = Spectral(facet="key", centre=centre).features(view)
    np.testing.assert_allclose(given, facet - facet.mean(axis=0) if centre else facet)
