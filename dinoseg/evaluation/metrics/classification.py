"""Numbers from class scores, macro over classes, of pictures that may be weighted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from dinoseg.evaluation.metrics.neighbours import true_ranks

Weights = NDArray[np.float64]
"""``(n,)``: how often each picture counts; ones for the plain score, numbers of draws in a bootstrap."""


@dataclass(frozen=True, eq=False)
class ClassScores:
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


def classification_scores(predicted: ClassScores, weights: Weights) -> dict[str, float]:
    """Every score, the headline first; precision, recall, F1 and AUROC are means over the classes that are there."""
    result = {"top-1": mean(predicted.top(1), weights)}
    if predicted.scores.shape[1] > 5:
        result["top-5"] = mean(predicted.top(5), weights)
    result |= precision_recall_f1(predicted, weights)
    if not np.isnan(predicted.placements).any():
        result["AUROC"] = over_classes(predicted, predicted.placements, weights)
    return result


def mean(values: Weights, weights: Weights) -> float:
    """Mean over pictures, each counted by its weight."""
    return float(weights @ values / weights.sum())


def over_classes(predicted: ClassScores, values: Weights, weights: Weights) -> float:
    """Mean over the classes that are there of the means over their pictures."""
    counts = np.bincount(predicted.truth, weights)
    there = counts > 0
    return float(np.mean(np.bincount(predicted.truth, weights * values)[there] / counts[there]))


def precision_recall_f1(predicted: ClassScores, weights: Weights) -> dict[str, float]:
    """Means over the classes that are there; a class that was never predicted has precision 0."""
    classes = predicted.scores.shape[1]
    there = np.bincount(predicted.truth, weights, classes)  # (classes,)
    named = np.bincount(predicted.predicted, weights, classes)
    right = np.bincount(predicted.truth, weights * (predicted.truth == predicted.predicted), classes)
    held = there > 0
    there, named, right = there[held], named[held], right[held]
    values = {"precision": right / np.maximum(named, 1), "recall": right / there, "F1": 2 * right / (there + named)}
    return {name: float(value.mean()) for name, value in values.items()}
