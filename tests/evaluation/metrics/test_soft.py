"""Soft masks against the numbers of the reference programs, and against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from dinoseg.evaluation.metrics.masks import jaccard
from dinoseg.evaluation.metrics.soft import (
    BETA2,
    BETA2_FOUND,
    THRESHOLDS,
    adaptive_mask,
    auroc,
    precision_recall,
    precision_recall_curve,
    s_measure,
)
from tests.helpers import GOLDEN

CLOSE: dict[str, Any] = {"rel": 0, "abs": 1e-6}


@pytest.fixture(scope="module")
def golden() -> Any:
    return np.load(GOLDEN / "evaluation.npz")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("case", "images", "hard", "above"),
    [
        ("soft_normal", range(6), False, 0),  # TokenCut's truth is every pixel that is not 0
        ("hard_normal", range(6), True, 0),
        ("soft_with_empty_pred", range(7), False, 0),
        ("hard_with_empty_pred", range(7), True, 0),
        ("soft_with_empty_gt", (0, 1, 2, 3, 4, 5, 7), False, 0),
        ("hard_with_empty_gt", (0, 1, 2, 3, 4, 5, 7), True, 0),
        ("hard_gt128", range(6), True, 127),
    ],
)
def test_tokencuts_iou_accuracy_and_maximum_of_the_mean_curve(
    golden: Any, case: str, images: Any, hard: bool, above: int
) -> None:
    values, curves = [], []
    for index in images:
        soft, truth = golden[f"sal/{index}/soft"], golden[f"sal/{index}/gt_u8"] > above
        mask = soft > 0.5
        values.append((jaccard(mask, truth) if truth.any() else 0.0, np.mean(mask == truth)))
        curves.append(precision_recall_curve(mask if hard else soft, truth).f(BETA2))
    iou, accuracy = np.mean(values, axis=0)
    assert [iou, accuracy, np.mean(curves, axis=0).max()] == pytest.approx(golden[f"sal/tokencut_{case}"], **CLOSE)


@pytest.mark.shared
@pytest.mark.parametrize("index", range(8))
def test_founds_values_of_one_image(golden: Any, index: int) -> None:
    soft, truth = golden[f"sal/{index}/soft"], golden[f"sal/{index}/gt_u8"] > 127
    iou, accuracy, mae, half, adaptive, most, structure = golden[f"sal/found_{index}"]
    mask = soft > 0.5
    curve = precision_recall_curve(soft, truth)
    assert jaccard(mask, truth) == pytest.approx(iou, **CLOSE)
    assert [np.mean(mask == truth), np.mean(mask != truth)] == pytest.approx([accuracy, mae], **CLOSE)
    assert precision_recall(mask, truth).f(BETA2_FOUND) == pytest.approx(half, **CLOSE)
    assert precision_recall(adaptive_mask(soft), truth).f(BETA2_FOUND) == pytest.approx(adaptive, **CLOSE)
    assert curve.f(BETA2_FOUND) == pytest.approx(golden[f"sal/found_{index}_allF"], **CLOSE)
    assert curve.f(BETA2_FOUND).max() == pytest.approx(most, **CLOSE)
    assert s_measure(soft, truth) == pytest.approx(structure, **CLOSE)
    both = [precision_recall(mask, truth).f(BETA2), curve.f(BETA2).max()]
    assert both == pytest.approx(golden[f"sal/found_{index}_f_if_beta2_were_0.3"], **CLOSE)


@pytest.mark.shared
def test_founds_means_over_a_set(golden: Any) -> None:
    soft, truth = ([golden[f"sal/{index}/{part}"] for index in range(6)] for part in ("soft", "gt_u8"))
    truth = [grey > 127 for grey in truth]
    pairs = list(zip([s > 0.5 for s in soft], truth, strict=True))
    expected = dict(zip(golden["sal/found_dataset_order"], golden["sal/found_dataset"], strict=True))
    found = {
        "f_measure": [precision_recall(mask, t).f(BETA2_FOUND) for mask, t in pairs],
        "f_max": [precision_recall_curve(s, t).f(BETA2_FOUND).max() for s, t in zip(soft, truth, strict=True)],
        "f_mean": [precision_recall(adaptive_mask(s), t).f(BETA2_FOUND) for s, t in zip(soft, truth, strict=True)],
        "s_measure": [s_measure(s, t) for s, t in zip(soft, truth, strict=True)],
        "mae": [np.mean(mask != t) for mask, t in pairs],
        "pixel_acc": [np.mean(mask == t) for mask, t in pairs],
        "iou averaged": [jaccard(mask, t) for mask, t in pairs],
    }
    assert {name: np.mean(values) for name, values in found.items()} == pytest.approx(
        {name: expected[name] for name in found}, **CLOSE
    )
    assert jaccard(*pairs[-1]) == pytest.approx(expected["iou(last image only)"], **CLOSE)  # what it prints as its IoU


@pytest.mark.shared
def test_deep_spectrals_accuracy_and_iou(golden: Any) -> None:
    pairs = [(golden[f"sal/{index}/soft"] > 0.5, golden[f"sal/{index}/gt_u8"] > 127) for index in range(8)]
    assert [np.mean(mask == t) for mask, t in pairs] == pytest.approx(golden["sal/deepspectral_acc"], **CLOSE)
    assert [jaccard(mask, t) for mask, t in pairs] == pytest.approx(golden["sal/deepspectral_iou"], **CLOSE)


SOFT = np.random.default_rng(0).random((30, 40)).astype(np.float32)
TRUTH = SOFT + np.random.default_rng(1).normal(0, 0.3, SOFT.shape) > 0.6


def test_the_curve_is_that_of_every_threshold() -> None:
    grey = (np.round(SOFT * 255) / 255).astype(np.float32)  # values that lie on the thresholds
    for soft in (SOFT, grey):
        curve = precision_recall_curve(soft, TRUTH)
        for index in (0, 1, 100, 254):
            single = precision_recall(soft > THRESHOLDS[index], TRUTH)
            assert (curve.precision[index], curve.recall[index]) == (single.precision, single.recall)


def test_f_and_auroc_are_scikit_learns() -> None:
    f1 = precision_recall(SOFT > 0.5, TRUTH).f(1)
    assert f1 == pytest.approx(f1_score(TRUTH.ravel(), SOFT.ravel() > 0.5), **CLOSE)
    assert auroc(SOFT, TRUTH) == roc_auc_score(TRUTH.ravel(), SOFT.ravel())


@pytest.mark.parametrize("side", [False, True])
def test_g96_one_side_alone_has_no_auroc(side: bool) -> None:
    assert auroc(SOFT, np.full(SOFT.shape, side)) is None


@pytest.mark.parametrize(
    ("found", "truth", "precision", "recall", "f"),
    [
        ([0, 0], [0, 0], 1, 1, 1),  # nothing there, nothing found
        ([1, 0], [0, 0], 0, 1, 0),
        ([0, 0], [1, 0], 1, 0, 0),
        ([1, 1], [1, 0], 0.5, 1, 1.3 * 0.5 / 1.15),
    ],
)
def test_g96_empty_sides_by_hand(found: list[int], truth: list[int], precision: float, recall: float, f: float) -> None:
    values = precision_recall(np.array(found, bool), np.array(truth, bool))
    assert (values.precision, values.recall, values.f(BETA2)) == (precision, recall, pytest.approx(f))


def test_a_right_map_has_all_structure_and_an_inverted_one_none() -> None:
    assert s_measure(TRUTH.astype(float), TRUTH) == pytest.approx(1)
    assert s_measure(1 - TRUTH.astype(float), TRUTH) < 0.1
    corner = np.zeros((10, 10), bool)
    corner[0, 0] = True  # the centroid leaves three blocks empty
    assert s_measure(corner.astype(float), corner) == pytest.approx(1, abs=0.01)
