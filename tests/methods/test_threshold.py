"""Mass, Otsu and the shift to 0.5."""

from dataclasses import replace

import numpy as np
import pytest
from skimage.filters import threshold_otsu

from dinoseg.images.fit import to_photo
from dinoseg.methods.threshold import mass_mask, min_max, otsu_soft, scatter
from dinoseg.types import Fit
from tests.helpers import GOLDEN
from tests.methods.scenes import disk, fit_of


@pytest.mark.parametrize(
    ("values", "mass", "kept"),
    [
        ([5, 1, 3, 1], 0.5, [1, 0, 0, 0]),  # the largest alone is exactly half
        ([5, 1, 3, 1], 0.6, [1, 0, 1, 0]),  # the cell that crosses the cut is kept
        ([5, 1, 3, 1], 1.0, [1, 1, 1, 1]),  # everything
        ([2, 2, 2, 2], 0.5, [0, 0, 1, 1]),  # ties: stable, the later ones
        ([0, 0, 4, 0], 0.9, [0, 0, 1, 0]),
        ([0, 0, 0, 0], 0.6, [0, 0, 0, 0]),  # no mass, no mask
    ],
)
def test_mass_keeps_the_fewest_largest_cells(values, mass, kept):
    mask = mass_mask(np.array(values, np.float32).reshape(2, 2), mass)
    assert mask.shape == (2, 2)
    assert mask.ravel().tolist() == [bool(keep) for keep in kept]


def test_mass_masks_are_those_of_the_reference():
    golden = np.load(GOLDEN / "attention.npz")
    cases = [key.removesuffix("/mask60_margin") for key in golden.files if key.endswith("/mask60_margin")]
    assert len(cases) >= 9
    for case in cases:
        heads = zip(
            golden[f"{case}/cls_attention"], golden[f"{case}/mask60"], golden[f"{case}/mask60_margin"], strict=True
        )
        for attention, mask, margin in heads:
            if margin > 1e-5:
                np.testing.assert_array_equal(mass_mask(attention, 0.6), mask, err_msg=case)


def test_otsu_lies_at_one_half_whatever_the_range():
    object_ = disk()
    map_ = np.where(object_, 7.0, -3.0) + np.random.default_rng(0).normal(0, 0.5, object_.shape)
    soft = otsu_soft(map_, fit_of(object_.shape))
    assert soft.dtype == np.float32
    assert soft.min() >= 0
    assert soft.max() <= 1
    np.testing.assert_array_equal(soft > 0.5, object_)
    np.testing.assert_allclose(otsu_soft(100 + map_ / 10, fit_of(object_.shape)), soft, atol=1e-5)


def test_otsu_does_not_look_at_the_padding():
    map_ = np.zeros((16, 16))  # four cells a patch; of the last column of patches only 1 px is in the photo
    map_[:, :7], map_[:, 14:] = 1.0, 50.0
    soft = otsu_soft(map_, Fit((32, 25), (32, 25), (4, 4), 8))
    np.testing.assert_array_equal(soft[:, :13] > 0.5, map_[:, :13] > 0.5)


@pytest.mark.parametrize(
    "map_",
    [
        np.zeros((3, 3)),
        np.full((3, 3), 0.7),
        np.full((3, 3), 1e6) + np.eye(3) * 1e-6,  # rounding is no contrast
        np.ones((1, 1)),
    ],
    ids=["zero", "flat", "rounding", "one cell"],
)
def test_a18_a_flat_map_has_no_threshold(map_):
    assert otsu_soft(map_, fit_of(map_.shape)) is None


def test_min_max():
    np.testing.assert_array_equal(min_max(np.array([[2, 4], [3, 2]])), [[0, 1], [0.5, 0]])
    assert min_max(np.full((2, 2), -1.0)) is None


@pytest.mark.parametrize(
    ("mask", "low", "high"),
    [
        (np.random.default_rng(0).random((40, 40)) < 0.4, 0.95, 1.05),  # noise, however much of it
        (np.random.default_rng(1).random((40, 40)) < 0.1, 0.9, 1.1),
        (disk((40, 40), (20, 20), 12), 0.0, 0.25),
        (np.indices((10, 10)).sum(axis=0) % 2 == 0, 1.9, 2.1),  # a chess board
        (np.zeros((3, 3), bool), 1, 1),
        (np.ones((1, 1), bool), 1, 1),
    ],
)
def test_scatter_tells_noise_from_pieces(mask, low, high):
    assert low <= scatter(mask > 0) <= high


def test_otsus_threshold_is_that_of_the_working_size_whatever_the_photographs():
    fit = Fit((3, 4), (48, 64), (6, 8), 8)
    map_ = np.random.default_rng(0).uniform(size=(6, 8)) ** 3
    stretched = min_max(map_)
    threshold = threshold_otsu(to_photo(stretched.astype(np.float32), replace(fit, size=fit.scaled)))
    soft = otsu_soft(map_, fit)
    np.testing.assert_allclose(soft, np.clip(stretched + 0.5 - threshold, 0, 1), atol=1e-6)
    np.testing.assert_array_equal(soft, otsu_soft(map_, replace(fit, size=(480, 640))))
