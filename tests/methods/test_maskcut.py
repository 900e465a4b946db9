"""``maskcut`` against the reference's masks, and when it ends."""

from itertools import combinations, zip_longest

import numpy as np
import pytest

from dinoseg.methods.cut import Cut
from dinoseg.methods.maskcut import MaskCut, foreground
from tests.helpers import GOLDEN
from tests.methods.scenes import (
    CASES,
    batch_of,
    disk,
    features,
    features_of,
    fit_of,
    found,
    golden_features,
    iou,
    photo_of,
    three_disks,
)


@pytest.mark.parametrize("tau", [0.15, 0.2])
@pytest.mark.parametrize("case", [case for case in CASES if case != "two12x20"])  # the reference takes squares only
def test_golden_masks(case, tau):
    golden = np.load(GOLDEN / "methods.npz")
    given = golden_features(golden, case)
    masks = [proposal.soft > 0.5 for proposal in found(MaskCut(tau=tau), given).objects]
    nothing = np.zeros(given.grid, bool)
    for mask, expected in zip_longest(masks, golden[f"{case}/mc_tau{tau}_masks"], fillvalue=nothing):
        np.testing.assert_array_equal(mask, expected)


class Watched(MaskCut):
    """Keeps the cuts that it makes of one image."""

    def cuts(self, features):
        self.__dict__.setdefault("made", []).extend(super().cuts(features))
        return self.made[-1:]


@pytest.mark.parametrize("tau", [0.15, 0.2])
@pytest.mark.parametrize("case", [case for case in CASES if case != "two12x20"])
def test_golden_eigenvectors_of_each_round(case, tau):
    golden = np.load(GOLDEN / "methods.npz")
    method = Watched(tau=tau)
    found(method, golden_features(golden, case))
    vectors = golden[f"{case}/mc_tau{tau}_eigvecs"].reshape(3, -1)
    assert len(method.made) >= 2  # the last may be refused; the reference then solves the same graph again
    for cut, values, vector in zip(method.made, golden[f"{case}/mc_tau{tau}_eigvals"], vectors, strict=False):
        np.testing.assert_allclose(cut.eigenvalues, values, rtol=0, atol=2e-4)  # the next one is only known roughly
        assert abs(cut.eigenvalues[0] - values[0]) < 3e-6
        vector = vector * np.sign(vector[cut.seed])
        np.testing.assert_allclose(cut.vector, vector, rtol=0, atol=1e-4 * abs(vector).max())


def test_several_objects_on_an_oblong_grid():
    disks, given = three_disks()
    masks = [proposal.soft > 0.5 for proposal in found("maskcut", given).objects]
    assert len(masks) == 3
    assert all(max(iou(mask, object_) for mask in masks) > 0.9 for object_ in disks)
    assert not any((a & b).any() for a, b in combinations(masks, 2))


@pytest.mark.parametrize(("objects", "expected"), [(1, 1), (2, 2), (3, 3), (20, 3)])  # and then it ends by itself
def test_no_more_than_are_asked_for_or_there(objects, expected):
    _, given = three_disks()
    proposals = found(MaskCut(objects=objects), given).objects
    assert len(proposals) == expected
    assert [proposal.why for proposal in proposals] == [f"cut {n}" for n in range(1, expected + 1)]


def test_one_object_is_found_once():
    proposals = found("maskcut", features_of(disk())).objects
    assert len(proposals) == 1


def test_each_image_of_a_batch_has_as_many_as_it_has():
    disks, three = three_disks()
    given = [
        three,
        features_of(disks[0], width=8, heads=4),
        features(np.ones((4, 16, 24)), np.ones((16, 24, 8))),
        three,
    ]
    together = MaskCut()(batch_of(given), [photo_of((16, 24))] * 4, [fit_of((16, 24))] * 4)
    assert [len(proposals.objects) for proposals in together] == [3, 1, 0, 3]
    for proposals, one in zip(together, given, strict=True):
        for a, b in zip(proposals.objects, found("maskcut", one).objects, strict=True):
            np.testing.assert_array_equal(a.soft, b.soft)


@pytest.mark.parametrize(
    ("corners", "kept"),
    [
        ([(0, 0), (0, 4)], True),  # two corners may be of the object
        ([(0, 0), (0, 4), (3, 4)], False),
        ([(0, 0), (0, 4), (3, 4), (3, 0)], False),
    ],
)
def test_three_corners_are_background(corners, kept):
    side = np.zeros((4, 5), bool)
    side[:, 1:4] = True
    side[1, 2] = False
    for corner in corners:
        side[corner] = True
    vector = np.where(side, 1.0, -0.5).ravel()
    vector[2] = 1.5  # the seed, on the true side
    vector[7] = -1.2  # the other side's extreme
    mask = foreground(Cut(vector, (0.1, 0.5), 2), side.shape)
    other = np.zeros_like(side)
    other[1, 2] = True
    np.testing.assert_array_equal(mask, side if kept else other)
