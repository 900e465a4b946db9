"""``miou``: clusters over a whole folder (of ``dinoseg group``, or of anyone) against the classes of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import DatasetError, OptionError
from dinoseg.evaluation.aggregate import ORACLE, units_of
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.metrics.clusters import MATCHINGS, Matching, Table, class_ious, table_of
from dinoseg.evaluation.metrics.resampling import reweighted
from dinoseg.evaluation.protocols.masks import MaskProtocol
from dinoseg.evaluation.report import Row, Score
from dinoseg.images.labels import VOID
from dinoseg.options import EvaluateOptions
from dinoseg.segmentation import Segmentation

RESAMPLES = 500


def joint(tables: Sequence[Table], rows: Sequence[Row[Table]]) -> Table:
    """Tables of single pictures with as many clusters and classes as all have, ``(n, clusters, classes)``."""
    clusters, classes = np.max([row.evidence.shape for row in rows], axis=0)
    made = np.zeros((len(tables), clusters, classes), np.int64)
    for filled, table in zip(made, tables, strict=True):
        filled[: table.shape[0], : table.shape[1]] = table
    return made


def mean_iou(tables: Table, matching: Matching, weights: NDArray[np.float64]) -> float:
    """Of the pictures with these weights."""
    return float(np.nanmean(class_ious(np.tensordot(weights, tables, 1), matching)))


class MeanIoU(MaskProtocol[Table]):
    """Clusters of a whole folder against classes."""

    name = "miou"
    definition = (
        "Mean IoU of clusters over the whole data set, void left out. Every label of the predictions is a cluster, 0 "
        "(no object) too; all pixels of all pictures are in one table of clusters by classes, background is a class, "
        f"and the mean is over the classes that the truth holds. {ORACLE}: the ground truth gives each cluster its "
        "class, in three ways that are not comparable: one to one by the sum of IoU (IoU-Hungarian), one to one by "
        "right pixels (pixel-Hungarian; Ji et al. 2019), or each cluster to the class of its best IoU, many to one "
        "(majority; both as Melas-Kyriazi et al. 2022, who count an absent class as 0). Intervals weigh the pictures "
        "anew (Rubin 1981) and keep the matching: with rare classes lost, or matched again, nearly every resample "
        "would be a better one."
    )
    lasting_labels = True

    def evidence(self, truth: Truth, prediction: Segmentation) -> Table:
        """Pixels of each label that are of each class; label 0 is what no object covers."""
        if truth.class_map is None:
            raise DatasetError("miou compares with classes, and this data set has none: VOC's SegmentationClass has.")
        labels = np.zeros(prediction.size, np.int64)
        for instance, mask in zip(prediction.instances, prediction.masks, strict=True):
            labels[mask] = instance.label
        most = int(truth.class_map.max(where=truth.class_map != VOID, initial=0))
        return table_of(labels, truth.class_map, (int(labels.max()) + 1, most + 1))

    def restore(self, stored: Any) -> Table:
        """``evidence`` again, of what JSON has made of it."""
        return np.asarray(stored, np.int64)

    def predictor(self, options: EvaluateOptions) -> NoReturn:  # noqa: ARG002 (as MaskProtocol)
        """Raise ``OptionError``: one picture alone has objects, but no clusters over the folder."""
        raise OptionError(
            f"{self.name} scores clusters over a whole folder: make them (`dinoseg group`) and name them with "
            "--predictions."
        )

    def conclude(self, rows: Sequence[Row[Table]]) -> list[Score]:
        """Mean IoU over the classes that are there, by each matching; intervals by weighing pictures anew."""
        groups, _ = units_of(rows)
        tables = np.array([joint([row.evidence for row in group], rows).sum(axis=0) for group in groups])
        whole = tables.sum(axis=0)
        classes = int(np.count_nonzero(whole.any(axis=0)))
        scores = []
        for name, match in MATCHINGS.items():
            statistic = partial(mean_iou, tables, match(whole))
            interval = reweighted(statistic, len(groups), resamples=RESAMPLES) if len(groups) > 1 else None
            value = statistic(np.ones(len(groups)))
            scores.append(Score(f"{ORACLE} mIoU, {name}", value, interval, classes, "classes", "oracle"))
        return scores
