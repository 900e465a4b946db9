"""Numbers from class scores, macro over classes, each with an interval over pictures."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from dinoseg.evaluation.metrics import one_by_one, resampled
from dinoseg.evaluation.report import Kind, Score
from dinoseg.recognition.knn import true_ranks

RESAMPLES = 1000

Weights = NDArray[np.float64]
"""``(n,)``: how often each picture counts; ones for the plain score, numbers of draws in a bootstrap."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class scores of pictures whose class is known."""

    scores: NDArray[np.float64]
    """``(n, classes)``, higher is likelier; 0 where nothing spoke for a class."""
    truth: NDArray[np.int64]
    """``(n,)`` in 0..classes - 1."""

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """``(n,)``: the likeliest class, the first of equals."""
        return self.scores.argmax(axis=1)

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """``(n,)``: how many classes stand before the true one."""
        return true_ranks(torch.from_numpy(self.scores), torch.from_numpy(self.truth)).numpy()

    @cached_property
    def placements(self) -> Weights:
        """Share of the pictures of other classes whose score for a picture's class is lower, ties half, ``(n,)``.

        Its mean over the pictures of a class is that class's area under the ROC curve, one against the rest (DeLong et
        al. 1988). NaN where there is no other class.
        """
        result = np.full(len(self.truth), np.nan)
        for number in np.unique(self.truth):
            own, column = self.truth == number, self.scores[:, number]
            if not own.all():
                result[own] = (rankdata(column)[own] - rankdata(column[own])) / (~own).sum()
        return result

    def top(self, k: int) -> Weights:
        """1 for pictures whose class is among the first ``k``, ``(n,)``."""
        return (self.ranks < k).astype(np.float64)


def measure(found: Predictions, weights: Weights) -> dict[str, float]:
    """Every score, the headline first; precision, recall, F1 and AUROC are means over the classes that are there."""
    result = {"top-1": mean(found.top(1), weights)}
    if found.scores.shape[1] > 5:
        result["top-5"] = mean(found.top(5), weights)
    result |= precision_recall_f1(found, weights)
    if not np.isnan(found.placements).any():
        result["AUROC"] = over_classes(found, found.placements, weights)
    return result


def mean(values: Weights, weights: Weights) -> float:
    """Over pictures."""
    return float(weights @ values / weights.sum())


def over_classes(found: Predictions, values: Weights, weights: Weights) -> float:
    """Mean over the classes that are there of the means over their pictures."""
    counts = np.bincount(found.truth, weights)
    there = counts > 0
    return float(np.mean(np.bincount(found.truth, weights * values)[there] / counts[there]))


def precision_recall_f1(found: Predictions, weights: Weights) -> dict[str, float]:
    """Means over the classes that are there; a class that was never predicted has precision 0."""
    classes = found.scores.shape[1]
    there = np.bincount(found.truth, weights, classes)  # (classes,)
    named = np.bincount(found.predicted, weights, classes)
    right = np.bincount(found.truth, weights * (found.truth == found.predicted), classes)
    held = there > 0
    there, named, right = there[held], named[held], right[held]
    values = {"precision": right / np.maximum(named, 1), "recall": right / there, "F1": 2 * right / (there + named)}
    return {name: float(value.mean()) for name, value in values.items()}


def conclude(found: Predictions, names: Collection[str], after: str, kind: Kind) -> list[Score]:
    """The named scores (all where none is named) with 95 % bootstrap intervals; ``after`` is put behind their names."""
    n = len(found.truth)
    values = {name: value for name, value in measure(found, np.ones(n)).items() if not names or name in names}

    def statistic(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        again = measure(found, drawn.astype(np.float64))
        return np.array([again[name] for name in values])

    bounds = (
        resampled(one_by_one(statistic), n, resamples=RESAMPLES).T if n > 1 else [None] * len(values)
    )  # (scores, 2)
    return [
        Score(name + after, value, None if ends is None else (float(ends[0]), float(ends[1])), n, "images", kind)
        for (name, value), ends in zip(values.items(), bounds, strict=True)
    ]
