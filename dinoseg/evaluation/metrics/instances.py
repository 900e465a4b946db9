"""AP and AR of objects with scores, by pycocotools."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from dinoseg.evaluation.metrics.boxes import Boxes
from dinoseg.evaluation.metrics.resampling import one_by_one, resampled

NAMES = ("AP", "AP50", "AP75", "AR@1", "AR@10", "AR@100")
MOST = (1, 10, 100)
"""Objects that count in one picture, the best scores first."""
RESAMPLES = 200


class Objects(NamedTuple):
    """One side of one picture, ready for pycocotools."""

    size: tuple[int, int]
    rles: list[dict[str, Any]] | None
    """None where there are boxes only."""
    boxes: Boxes
    scores: list[float] | None = None
    """Of predictions; None for the truth."""
    crowds: int = 0
    """How many of the last ones are crowds."""

    def single(self, kind: str) -> int:
        """How many are no crowds."""
        return len(self.boxes if kind == "bbox" else self.rles or ()) - self.crowds


def matched(truth: Sequence[Objects], predictions: Sequence[Objects], kind: str) -> COCOeval:
    """pycocotools' own matching of every picture, objects of all areas; ``kind``: segm (masks) or bbox."""
    evaluator = COCOeval(pycocotools_dataset(truth, kind), pycocotools_dataset(predictions, kind), kind)
    evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluator.params.maxDets = list(MOST)
    with redirect_stdout(io.StringIO()):
        evaluator.evaluate()
    return evaluator


def pycocotools_dataset(pictures: Sequence[Objects], kind: str) -> COCO:
    """One side of all pictures, all of one class."""
    images = [{"id": number, "height": x.size[0], "width": x.size[1]} for number, x in enumerate(pictures)]
    identifier = count(1)  # pycocotools takes 0 for "not matched"
    annotations = [
        {"id": next(identifier), "image_id": number, "category_id": 1, **entry}
        for number, picture in enumerate(pictures)
        for entry in pycocotools_entries(picture, kind)
    ]
    made = COCO()
    made.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]}
    with redirect_stdout(io.StringIO()):
        made.createIndex()
    return made


def pycocotools_entries(picture: Objects, kind: str) -> Iterator[dict[str, Any]]:
    """Annotations of one picture; masks and boxes need not be as many (VOC annotates more boxes than masks)."""
    if kind == "segm":
        shapes = [{"segmentation": rle, "area": int(mask.area(rle))} for rle in picture.rles or ()]
    else:
        shapes = [
            {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
            for x0, y0, x1, y1 in picture.boxes.tolist()
        ]
    for index, shape in enumerate(shapes):
        entry = shape | {"iscrowd": int(index >= len(shapes) - picture.crowds)}
        yield entry if picture.scores is None else entry | {"score": picture.scores[index]}


def accumulated(evaluator: COCOeval, pictures: Sequence[int]) -> NDArray[np.float64]:
    """``NAMES`` over some of the matched pictures, which may come more than once, ``(6,)``; NaN without any object."""
    whole, params = evaluator.evalImgs, evaluator._paramsEval
    evaluator.evalImgs = [whole[picture] for picture in pictures]
    params.imgIds = evaluator.params.imgIds = list(range(len(pictures)))
    with redirect_stdout(io.StringIO()):
        evaluator.accumulate()
    evaluator.evalImgs = whole
    precision = evaluator.eval["precision"][:, :, 0, 0, -1]  # (IoU thresholds, recalls)
    recall = evaluator.eval["recall"][:, 0, 0]  # (IoU thresholds, MOST)
    values = np.array([precision.mean(), precision[0].mean(), precision[5].mean(), *recall.mean(axis=0)])
    return np.where(values < 0, np.nan, values)


def intervals(evaluator: COCOeval, lengths: Sequence[int]) -> NDArray[np.float64]:
    """``(2, 6)``: pictures, or videos of these lengths, are drawn again."""
    ends = np.cumsum(lengths)
    units = [range(end - length, end) for end, length in zip(ends, lengths, strict=True)]

    def statistic(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        return accumulated(evaluator, [x for unit, times in zip(units, drawn, strict=True) for x in [*unit] * times])

    return resampled(one_by_one(statistic), len(units), resamples=RESAMPLES)
