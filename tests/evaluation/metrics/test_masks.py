"""J and F equal the DAVIS toolkit's to the last digit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_dilation

from dinoseg.evaluation.metrics.masks import boundary_f, contour, dilate, jaccard, joint_window
from dinoseg.evaluation.metrics.series import series_statistics
from tests.helpers import GOLDEN

STORED = np.load(Path(__file__).parents[2] / "data" / "j_and_f.npz")
SMALL = sorted({key.rsplit("/", 1)[0] for key in STORED.files if key.startswith("small/")})
EXACT = {"rel": 0, "abs": 1e-12}


def unpacked(golden: Any, key: str) -> np.ndarray:
    return np.unpackbits(golden[key], axis=-1)[..., :854].astype(bool)


def test_j_and_f_of_whole_frames_are_the_toolkits() -> None:
    predicted, truth = unpacked(STORED, "frames/predicted"), unpacked(STORED, "frames/truth")
    assert [jaccard(p, t) for p, t in zip(predicted, truth, strict=True)] == pytest.approx(STORED["frames/J"], **EXACT)
    assert [boundary_f(p, t) for p, t in zip(predicted, truth, strict=True)] == pytest.approx(
        STORED["frames/F"], **EXACT
    )


@pytest.mark.parametrize("case", SMALL)
def test_j_and_f_at_odd_sizes_are_the_toolkits(case: str) -> None:
    predicted, truth = STORED[f"{case}/pred"], STORED[f"{case}/gt"]
    assert [jaccard(predicted, truth), boundary_f(predicted, truth)] == pytest.approx(STORED[f"{case}/JF"], **EXACT)


def test_j_and_f_of_all_golden_frames_with_and_without_void() -> None:
    golden = np.load(GOLDEN / "evaluation.npz")
    predicted, truth = unpacked(golden, "frame/pred_packed"), unpacked(golden, "frame/gt_packed")
    void = np.zeros(truth.shape[1:], bool)
    void[150:260, 300:420] = True
    for metric, name in ((jaccard, "J"), (boundary_f, "F")):
        plain = [metric(p, t) for p, t in zip(predicted, truth, strict=True)]
        assert plain == pytest.approx(golden[f"frame/{name}"], **EXACT)
        masked = [metric(p, t, void) for p, t in zip(predicted[:8], truth[:8], strict=True)]
        assert masked == pytest.approx(golden[f"frame/{name}_void"], **EXACT)
    contours = unpacked(golden, "frame/contour_packed_first4")
    np.testing.assert_array_equal([contour(mask) for mask in truth[: len(contours)]], contours)


def test_a_whole_davis_evaluation_is_the_toolkits() -> None:
    golden = np.load(GOLDEN / "evaluation.npz")
    names = [str(name) for name in golden["davis/semi_objects"]]
    for index, name in enumerate(names):
        sequence, number = name.rsplit("_", 1)
        frames = zip(golden[f"davis/{sequence}/pred_semi"], golden[f"davis/{sequence}/gt_semi"], strict=True)
        pairs = [(p == int(number), t == int(number)) for p, t in frames][1:-1]  # first and last are given
        for metric, letter in ((jaccard, "J"), (boundary_f, "F")):
            expected = [golden[f"davis/semi_{letter}_{part}"][index] for part in ("mean", "recall", "decay")]
            assert series_statistics([metric(p, t) for p, t in pairs]) == pytest.approx(expected, **EXACT), name


@pytest.mark.parametrize(
    ("predicted", "truth", "void", "expected"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0], None, 1),  # nothing there, nothing found
        ([1, 0, 0, 0], [0, 0, 0, 0], None, 0),  # nothing there, something found
        ([0, 0, 0, 0], [1, 0, 0, 0], None, 0),
        ([1, 1, 1, 0], [0, 1, 1, 1], None, 1 / 2),
        ([1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 0, 0], 2 / 3),  # void where only the prediction is
        ([1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 0, 1], 2 / 3),  # void where only the truth is
        ([1, 1, 1, 0], [0, 1, 1, 1], [0, 1, 0, 0], 1 / 3),  # void in both
        ([1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1], 1),  # nothing but void
    ],
)
def test_g96_jaccard_by_hand(predicted: list[int], truth: list[int], void: list[int] | None, expected: float) -> None:
    masks = [None if row is None else np.array([row], bool) for row in (predicted, truth, void)]
    assert jaccard(*masks) == expected


def test_masks_of_different_sizes_are_never_compared() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        jaccard(np.ones((2, 3), bool), np.ones((3, 2), bool))
    with pytest.raises(ValueError, match="different sizes"):
        boundary_f(np.ones((2, 3), bool), np.ones((2, 3), bool), np.ones((1, 1), bool))


@given(st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda size: st.tuples(*[arrays(bool, size)] * 2)))
def test_no_contour_lies_outside_the_window(masks: tuple[np.ndarray, np.ndarray]) -> None:
    window = joint_window(*masks)
    for mask in masks:
        whole = contour(mask)
        np.testing.assert_array_equal(contour(mask[window]), whole[window])
        assert whole.sum() == whole[window].sum()


@pytest.mark.parametrize(
    ("shape", "shift", "expected"),
    [
        ((480, 854), 8, 1.0),  # ceil(0.008 * 979.6) = 8 px
        ((480, 854), 9, 0.0),
        ((100, 100), 2, 1.0),  # ceil(1.13) = 2 px
        ((100, 100), 3, 0.0),
    ],
)
def test_f_forgives_as_many_pixels_as_the_diagonal_says(shape: tuple[int, int], shift: int, expected: float) -> None:
    first, second = np.zeros((2, *shape), bool)
    first[:, :40], second[:, : 40 + shift] = True, True  # two upright lines
    assert boundary_f(first, second) == expected


@pytest.mark.parametrize("radius", [1, 2, 3, 8, 13, 40])
def test_a_pixel_is_dilated_to_the_disk(radius: int) -> None:
    point = np.zeros((2 * radius + 3, 2 * radius + 5), bool)
    point[radius + 1, radius + 2] = True
    y, x = np.ogrid[-radius - 1 : radius + 2, -radius - 2 : radius + 3]
    np.testing.assert_array_equal(dilate(point, radius), y**2 + x**2 <= radius**2)


@pytest.mark.parametrize("radius", [1, 8, 40])
def test_nothing_comes_in_from_outside(radius: int) -> None:
    mask = np.random.default_rng(radius).random((23, 65)) < 0.03
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    expected = binary_dilation(mask, y**2 + x**2 <= radius**2)
    np.testing.assert_array_equal(dilate(mask, radius), expected)
