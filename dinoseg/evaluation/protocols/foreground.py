"""``foreground``: any method's masks against the foreground of any data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dinoseg.evaluation.aggregate import ORACLE, mean_of, means
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.metrics.masks import Mask, jaccard
from dinoseg.evaluation.metrics.resampling import bootstrap
from dinoseg.evaluation.predictions.attention import head_masks
from dinoseg.evaluation.protocols.masks import MeanProtocol
from dinoseg.evaluation.report import Row, Score
from dinoseg.segmentation import Segmentation

BEST_HEAD = f"{ORACLE} best head (60 % mass)"


def mean_over_classes(rows: Sequence[Row[None]], classes: Sequence[str], per_class: Sequence[Score]) -> Score:
    """Mean of the classes' scores. Its interval is over pictures: the classes are all there are, not a sample."""
    values = [[row.values["IoU"] if name in row.classes else np.nan for name in classes] for row in rows if row.classes]
    interval = bootstrap(np.array(values)) if len(values) > 1 else None
    mean = float(np.mean([score.value for score in per_class]))
    return Score("IoU, mean over classes", mean, interval, len(classes), "classes", "label-free")


class Foreground(MeanProtocol):
    """Any method's masks against the foreground."""

    name = "foreground"
    definition = (
        "Foreground IoU, label-free: the union of all objects found against the foreground, void left out of both "
        "sums, in the frame of the photograph; both empty counts 1. Mean over images (over the frames of a video "
        "first, then over videos). IoU of a class: mean over the pictures that contain it; classes in no picture are "
        f"in no mean; the interval of the mean over classes is over pictures too. {BEST_HEAD}: per picture the mask "
        "of that attention head which the ground truth likes best."
    )

    def values(self, truth: Truth, prediction: Segmentation) -> dict[str, float]:
        """IoU of the union of all objects, of the best attention head where there is attention, and of the floors."""

        def iou(mask: Mask) -> float:
            return jaccard(mask, truth.foreground, truth.void)

        values = {"IoU": iou(prediction.mask)}
        if prediction.attention is not None:
            values[BEST_HEAD] = max(iou(mask) for mask in head_masks(prediction))
        return values | {name: iou(draw(prediction.size)) for name, draw in FLOORS.items()}

    def conclude(self, rows: Sequence[Row[None]]) -> list[Score]:
        """Means over images; where there are classes, also over the pictures of each class and over the classes."""
        classes = sorted({name for row in rows for name in row.classes})
        if not classes:
            return means(rows)
        per_class = [mean_of("IoU", (row for row in rows if name in row.classes)) for name in classes]
        return [*means(rows), mean_over_classes(rows, classes, per_class)] + [
            replace(score, name=f"IoU, {name}") for name, score in zip(classes, per_class, strict=True)
        ]
