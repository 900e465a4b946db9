"""``ap``: class-agnostic instance AP and AR of masks and boxes, by pycocotools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from dinoseg.errors import DatasetError
from dinoseg.evaluation.aggregate import units_of
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.metrics.instances import NAMES, RESAMPLES, Objects, accumulated, intervals, matched
from dinoseg.evaluation.metrics.masks import Mask
from dinoseg.evaluation.predictions.base import PredictedBoxes, boxes_of
from dinoseg.evaluation.protocols.masks import MaskProtocol
from dinoseg.evaluation.report import Row, Score
from dinoseg.rle import decode_rle, encode_rle, rle_box
from dinoseg.segmentation import Segmentation

KINDS = {"segm": "masks", "bbox": "boxes"}
Sides: TypeAlias = tuple[Objects, Objects]
"""What is there in a picture, and what was predicted."""


def without_void(rle: dict[str, Any], void: Mask | None) -> dict[str, Any]:
    """The mask less the void pixels."""
    return rle if void is None or not void.any() else encode_rle(decode_rle(rle) & ~void)


def kinds(rows: Sequence[Row[Sides]]) -> dict[str, str]:
    """Those of ``KINDS`` that can be scored."""
    masked = all(objects.rles is not None for row in rows for objects in row.evidence)
    return {kind: what for kind, what in KINDS.items() if masked or kind == "bbox"}


class InstanceAP(MaskProtocol[Sides]):
    """Objects with scores against annotated ones, all of one class."""

    name = "ap"
    definition = (
        "Class-agnostic instance AP and AR (COCO, Lin et al. 2014; as MaskCut, Wang et al. 2023), label-free, by "
        "pycocotools: AP over IoU 0.5 .. 0.95, AR with 1, 10 and 100 objects a picture, objects of all areas, all "
        "classes taken as one, crowds ignored as pycocotools does. Over the whole data set, not a mean over images; "
        f"intervals by drawing the pictures {RESAMPLES} times again. Void is taken out of the masks that were found. "
        "Where the data set or the predictions hold boxes only, masks are not scored."
    )
    takes_boxes = True

    def evidence(self, truth: Truth, prediction: Segmentation) -> Sides:
        """What is there and what was found. Void is taken out of the masks that were found."""
        crowds = [encode_rle(mask) for mask in truth.crowds()]
        rles = None if truth.only_boxes else [encode_rle(mask) for mask in truth.objects()] + crowds
        boxes = np.concatenate([truth.object_boxes(), np.reshape([rle_box(crowd) for crowd in crowds], (-1, 4))])
        boxed = isinstance(prediction, PredictedBoxes)
        masks = None if boxed else [without_void(instance.rle, truth.void) for instance in prediction.instances]
        return (
            Objects(prediction.size, rles, boxes, crowds=len(crowds)),
            Objects(prediction.size, masks, boxes_of(prediction), prediction.scores),
        )

    def restore(self, stored: Any) -> Sides:
        """``evidence`` again, of what JSON has made of it."""
        there, predicted = stored
        return Objects(*there), Objects(*predicted)

    def conclude(self, rows: Sequence[Row[Sides]]) -> list[Score]:
        """AP and AR of masks, where there are some, then of boxes; intervals by drawing pictures (or videos) again."""
        groups, unit = units_of(rows)
        rows = [row for group in groups for row in group]
        lengths = [len(group) for group in groups]
        scores = []
        for kind, what in kinds(rows).items():
            truth, predictions = [row.evidence[0] for row in rows], [row.evidence[1] for row in rows]
            if not any(objects.single(kind) for objects in truth):
                raise DatasetError("no picture has an object: there is nothing that could be found.")
            evaluator = matched(truth, predictions, kind)
            values = accumulated(evaluator, range(len(rows)))
            bounds = intervals(evaluator, lengths) if len(groups) > 1 else None  # (2, 6)
            for index, name in enumerate(NAMES):
                interval = None if bounds is None else (float(bounds[0, index]), float(bounds[1, index]))
                value = float(values[index])
                scores.append(Score(f"{name} of {what}", value, interval, len(groups), unit, "label-free"))
        return scores
