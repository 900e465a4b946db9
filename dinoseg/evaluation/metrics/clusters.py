"""Clusters without names against classes: one table of pixels over a whole data set, a matching, and IoU per class."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

IGNORED = 255
"""The label of pixels that count for no class: void."""
Table = NDArray[np.int64]
"""``(clusters, classes)``: pixels of each cluster that are of each class."""
Matching = NDArray[np.int64]
"""``(clusters,)``: the class of each cluster; -1 for a cluster that has none."""


def table_of(clusters: NDArray[np.integer], classes: NDArray[np.integer], shape: tuple[int, int]) -> Table:
    """The table of two label maps of one shape; pixels whose class is ``IGNORED`` are left out.

    ``shape``: numbers of clusters and of classes, both counted from 0. Raises ``ValueError`` for a label beyond.
    """
    counted = classes != IGNORED
    clusters, classes = clusters[counted].astype(np.int64), classes[counted].astype(np.int64)
    for labels, most in ((clusters, shape[0]), (classes, shape[1])):
        if labels.max(initial=0) >= most:
            raise ValueError(f"a label {labels.max()}, where there are {most}")
    return np.bincount(clusters * shape[1] + classes, minlength=shape[0] * shape[1]).reshape(shape)


def overlaps(table: Table) -> NDArray[np.float64]:
    """IoU of every cluster with every class, 0 where neither has a pixel."""
    union = table.sum(axis=1, keepdims=True) + table.sum(axis=0) - table
    return np.asarray(table / np.maximum(union, 1))


def pixel_hungarian(table: Table) -> Matching:
    """One to one, so that the most pixels are right (Ji et al. 2019, IIC)."""
    return one_to_one(table)


def iou_hungarian(table: Table) -> Matching:
    """One to one, so that the sum of IoU is largest (Melas-Kyriazi et al. 2022, with as many clusters as classes)."""
    return one_to_one(overlaps(table))


def majority(table: Table) -> Matching:
    """Each cluster to the class of its best IoU, many to one (Melas-Kyriazi et al. 2022, with more clusters)."""
    return np.asarray(overlaps(table).argmax(axis=1))


def one_to_one(gain: NDArray[np.number]) -> Matching:
    """The assignment of most gain. Where there are more clusters than classes, some have none."""
    clusters, classes = linear_sum_assignment(gain, maximize=True)
    matching = np.full(len(gain), -1)
    matching[clusters] = classes
    return matching


MATCHINGS: dict[str, Callable[[Table], Matching]] = {
    "IoU-Hungarian": iou_hungarian,
    "pixel-Hungarian": pixel_hungarian,
    "majority": majority,
}


def class_ious(table: NDArray[np.number], matching: Matching) -> NDArray[np.float64]:
    """IoU of each class with all its clusters together, ``(classes,)``; NaN for a class in no pixel of the truth."""
    shared, predicted = (np.zeros(table.shape[1]) for _ in range(2))
    actual = table.sum(axis=0)
    matched = matching >= 0
    np.add.at(predicted, matching[matched], table.sum(axis=1)[matched])
    np.add.at(shared, matching[matched], table[matched, matching[matched]])
    union = predicted + actual - shared
    return np.where(actual > 0, shared / np.where(actual > 0, union, 1), np.nan)
