"""Numbers from soft masks, ``(H, W)`` or ``(pixels,)`` in 0..1, against truth of the same shape.

Thresholds are 0, 1/255 .. 254/255, and what is above one is found. Precision is 1 where nothing is found, recall is 1
where nothing is there, and F is 0 where both are 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dinoseg.evaluation.metrics.masks import Mask

Soft = NDArray[np.floating[Any]]
Curve = NDArray[np.float64]
"""A value per threshold, ``(255,)``."""

THRESHOLDS = (np.arange(255) / 255).astype(np.float32)
BETA2 = 0.3
"""beta^2 of most saliency tables (Achanta et al. 2009; TokenCut)."""
BETA2_FOUND = 0.09
"""beta^2 as FOUND (Simeoni et al. 2023) ships it: 0.3 squared once more."""


class PrecisionRecall(NamedTuple):
    """At one threshold, or at all of them."""

    precision: Any
    recall: Any

    def f(self, beta2: float) -> Any:
        """(1 + beta^2) P R / (beta^2 P + R)."""
        below = np.asarray(beta2 * self.precision + self.recall)
        above = (1 + beta2) * self.precision * self.recall
        return np.divide(above, below, out=np.zeros_like(below), where=below > 0)


def precision_recall(predicted: Mask, truth: Mask) -> PrecisionRecall:
    """Precision and recall of one mask against the truth, both ``(H, W)`` or ``(pixels,)``."""
    return from_counts(np.count_nonzero(predicted & truth), np.count_nonzero(predicted), np.count_nonzero(truth))


def precision_recall_curve(soft: Soft, truth: Mask) -> PrecisionRecall:
    """Two curves over ``THRESHOLDS``, from one histogram of each side."""
    exceeded = np.searchsorted(THRESHOLDS, soft.ravel().astype(np.float32))  # (pixels,) thresholds below each value
    predicted, right = (
        np.bincount(levels, minlength=256)[:0:-1].cumsum()[::-1] for levels in (exceeded, exceeded[truth.ravel()])
    )
    return from_counts(right, predicted, np.count_nonzero(truth))


def from_counts(right: Any, predicted: Any, actual: Any) -> PrecisionRecall:
    """Precision and recall from numbers of pixels."""
    predicted, right = np.asarray(predicted, np.float64), np.asarray(right, np.float64)
    precision = np.divide(right, predicted, out=np.ones_like(predicted), where=predicted > 0)
    return PrecisionRecall(precision, right / actual if actual else np.ones_like(predicted))


def adaptive_mask(soft: Soft) -> Mask:
    """What is above twice the mean (Achanta et al. 2009), and above nothing more than 1."""
    return np.asarray(soft > min(2 * float(soft.mean(dtype=np.float64)), 1.0))


def auroc(soft: Soft, truth: Mask) -> float | None:
    """Area under the ROC curve over pixels; none where truth has only one side."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth.ravel(), soft.ravel())) if truth.any() and not truth.all() else None


def s_measure(soft: Soft, truth: Mask, alpha: float = 0.5) -> float:
    """Structure measure (Fan et al. 2017) of two ``(H, W)``: ``alpha`` of the objects' part, the rest of the regions'.

    Without foreground (or without background) it is the share of the map that is right.
    """
    surely = soft.astype(np.float64)
    if not truth.any():
        return float(1 - surely.mean())
    if truth.all():
        return float(surely.mean())
    share = truth.mean()
    objects = share * object_score(surely[truth]) + (1 - share) * object_score(1 - surely[~truth])
    return float(max(alpha * objects + (1 - alpha) * regions(surely, truth), 0))


def object_score(values: NDArray[np.float64]) -> float:
    """How high and how even a map is over one side of truth (Fan et al. 2017, eq. 4 and 5, lambda 0.5)."""
    mean = values.mean()
    spread = values.std(ddof=1) if len(values) > 1 else 0.0
    return float(2 * mean / (mean**2 + 1 + spread))


def regions(soft: NDArray[np.float64], truth: Mask) -> float:
    """Structural similarity of the four blocks around truth's centroid, weighted by their size (section 3.1)."""
    y, x = (round(float(positions.mean())) for positions in np.nonzero(truth))
    blocks = [(rows, columns) for rows in (slice(0, y), slice(y, None)) for columns in (slice(0, x), slice(x, None))]
    return sum(
        truth[block].size / truth.size * similarity(soft[block], truth[block].astype(np.float64)) for block in blocks
    )


def similarity(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Structural similarity of two blocks without constants: 1 where both are even and alike, 0 where one is empty."""
    if first.size < 2:
        return 0.0
    a, b = first.mean(), second.mean()
    covariance = ((first - a) * (second - b)).sum() / (first.size - 1)
    above = 4 * a * b * covariance
    below = (a**2 + b**2) * (first.var(ddof=1) + second.var(ddof=1))
    if above:
        return float(above / below)
    return float(below == 0)
