"""``corloc``: how often the box of the first object lies on an object (Deselaers et al. 2010)."""

from __future__ import annotations

import numpy as np

from dinoseg.evaluation.aggregate import ORACLE
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.metrics.boxes import Boxes, box_iou, mask_box
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.predictions.base import boxes_of
from dinoseg.evaluation.protocols.masks import MeanProtocol
from dinoseg.segmentation import Segmentation

ENOUGH = 0.5


def hit(predicted: Boxes, truth: Boxes) -> float:
    """1 if any box lies on any wanted one, else 0."""
    return float((box_iou(predicted, truth) >= ENOUGH).any())


class CorLoc(MeanProtocol):
    """The box of the first object against annotated boxes."""

    name = "corloc"
    definition = (
        "CorLoc (Deselaers et al. 2010; as LOST, Simeoni et al. 2021, and TokenCut), label-free: share of the "
        "pictures in which the box of the best-scored object has an IoU of 0.5 or more with any ground-truth box. "
        "One box a picture; boxes are half open and real-valued, no pixel is added to a width; VOC's count from 1 "
        "and lose 1 at the left and at the top only. Difficult and truncated objects count, crowds do not. A picture "
        f"without a box found is a miss, one without a box in the truth is left out. {ORACLE}: of all boxes found, "
        "the one that the ground truth likes best."
    )
    takes_boxes = True

    def values(self, truth: Truth, prediction: Segmentation) -> dict[str, float]:
        """1 or 0 for the best-scored box, for the best of all boxes, and for the floors' boxes."""
        annotated = truth.object_boxes()
        if not len(annotated):
            return {}
        boxes = boxes_of(prediction)  # (n, 4), the best score first
        values = {"CorLoc": hit(boxes[:1], annotated), f"{ORACLE} CorLoc, best of all boxes": hit(boxes, annotated)}
        floors = {name: np.array([mask_box(draw(prediction.size))], np.float64) for name, draw in FLOORS.items()}
        return values | {f"CorLoc {name}": hit(box, annotated) for name, box in floors.items()}
