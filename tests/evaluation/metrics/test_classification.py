"""Scores equal scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score, top_k_accuracy_score

from dinoseg.evaluation.features.classifier import scored
from dinoseg.evaluation.metrics.classification import ClassScores, classification_scores


def predictions(n: int = 60, classes: int = 7, seed: int = 0, held: int | None = None) -> ClassScores:
    """Scores with some information and some ties; only the first ``held`` classes occur."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(held or classes, size=n)
    scores = generator.integers(1, 20, (n, classes)) + 6.0 * np.eye(classes)[truth]
    return ClassScores(scores / scores.sum(axis=1, keepdims=True), truth)


@pytest.mark.parametrize("held", [None, 4])
def test_they_are_scikit_learns(held: int | None) -> None:
    found = predictions(held=held)
    values = classification_scores(found, np.ones(60))
    there = np.unique(found.truth)
    expected = precision_recall_fscore_support(
        found.truth, found.predicted, labels=there, average="macro", zero_division=0
    )
    assert [values[name] for name in ("precision", "recall", "F1")] == pytest.approx(expected[:3])
    areas = [roc_auc_score(found.truth == number, found.scores[:, number]) for number in there]
    assert values["AUROC"] == pytest.approx(np.mean(areas))
    assert values["top-1"] == pytest.approx((found.predicted == found.truth).mean())


def test_top5_is_scikit_learns_where_nothing_ties() -> None:
    generator = np.random.default_rng(1)
    scores, truth = generator.random((50, 8)), np.arange(50) % 8
    expected = top_k_accuracy_score(truth, scores, k=5)
    assert classification_scores(ClassScores(scores, truth), np.ones(50))["top-5"] == pytest.approx(expected)


def test_weights_are_repetitions() -> None:
    found = predictions(n=20)
    counts = np.random.default_rng(2).integers(1, 4, 20)
    repeated = ClassScores(np.repeat(found.scores, counts, axis=0), np.repeat(found.truth, counts))
    weighted, expected = (
        classification_scores(found, counts.astype(float)),
        classification_scores(repeated, np.ones(counts.sum())),
    )
    del weighted["AUROC"], expected["AUROC"]  # its negatives are held fixed
    assert weighted == pytest.approx(expected)


def test_intervals_hold_the_score_and_narrow_with_more_pictures() -> None:
    widths = []
    for n in (60, 600):
        for score in scored(predictions(n), (), "", "labelled"):
            assert score.interval is not None
            assert score.interval[0] <= score.value <= score.interval[1], score.name
        widths.append(score.interval[1] - score.interval[0])
    assert widths[1] < widths[0] / 2


@pytest.mark.parametrize(
    ("classes", "n", "names"),
    [
        (7, 20, ["top-1", "top-5", "precision", "recall", "F1", "AUROC"]),
        (5, 20, ["top-1", "precision", "recall", "F1", "AUROC"]),  # top-5 of 5 says nothing
        (7, 1, ["top-1", "top-5", "precision", "recall", "F1"]),  # no other class to tell it from
    ],
)
def test_only_what_means_something_is_scored(classes: int, n: int, names: list[str]) -> None:
    scores = scored(predictions(n, classes), (), "", "labelled")
    assert [score.name for score in scores] == names
    assert all((score.interval is None) == (n == 1) for score in scores)
