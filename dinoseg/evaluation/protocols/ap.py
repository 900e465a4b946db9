"""``ap``: class-agnostic instance AP and AR of masks and boxes, by pycocotools."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from dinoseg.errors import DatasetError
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.metrics.boxes import Boxes
from dinoseg.evaluation.metrics.masks import Mask
from dinoseg.evaluation.metrics.resampling import one_by_one, resampled
from dinoseg.evaluation.predictions.base import PredictedBoxes, boxes_of
from dinoseg.evaluation.protocols.base import Protocol, units_of
from dinoseg.evaluation.report import Row, Score
from dinoseg.outputs.rle import decode_rle, encode_rle, rle_area, rle_box
from dinoseg.types import Segmentation

KINDS = {"segm": "masks", "bbox": "boxes"}
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
    """Of what was found."""
    crowds: int = 0
    """How many of the last ones are crowds."""


def collect(truth: Truth, result: Segmentation) -> tuple[Objects, Objects]:
    """What is there and what was found. Void is taken out of the masks that were found."""
    crowds = [encode_rle(mask) for mask in truth.crowds()]
    rles = None if truth.only_boxes else [encode_rle(mask) for mask in truth.objects()] + crowds
    boxes = np.concatenate([truth.object_boxes(), np.reshape([rle_box(crowd) for crowd in crowds], (-1, 4))])
    boxed = isinstance(result, PredictedBoxes)
    found = None if boxed else [without_void(instance.rle, truth.void) for instance in result.instances]
    return (
        Objects(result.size, rles, boxes, crowds=len(crowds)),
        Objects(result.size, found, boxes_of(result), result.scores),
    )


def without_void(rle: dict[str, Any], void: Mask | None) -> dict[str, Any]:
    """The mask less the void pixels."""
    return rle if void is None or not void.any() else encode_rle(decode_rle(rle) & ~void)


def conclude(rows: Sequence[Row]) -> list[Score]:
    """AP and AR of masks, where there are some, then of boxes; intervals by drawing pictures (or videos) again."""
    groups, unit = units_of(rows)
    rows = [row for group in groups for row in group]
    lengths = [len(group) for group in groups]
    scores = []
    for kind, what in kinds(rows).items():
        evaluator = matched(rows, kind)
        values = accumulated(evaluator, range(len(rows)))
        bounds = intervals(evaluator, lengths) if len(groups) > 1 else None  # (2, 6)
        for index, name in enumerate(NAMES):
            interval = None if bounds is None else (float(bounds[0, index]), float(bounds[1, index]))
            scores.append(Score(f"{name} of {what}", float(values[index]), interval, len(groups), unit, "label-free"))
    return scores


def kinds(rows: Sequence[Row]) -> dict[str, str]:
    """Those of ``KINDS`` that can be scored."""
    masked = all(Objects(*side).rles is not None for row in rows for side in row.evidence)
    return {kind: what for kind, what in KINDS.items() if masked or kind == "bbox"}


def matched(rows: Sequence[Row], kind: str) -> COCOeval:
    """pycocotools' own matching of every picture, objects of all areas."""
    there, found = (dataset([Objects(*row.evidence[side]) for row in rows], kind) for side in (0, 1))
    if all(annotation["iscrowd"] for annotation in there.anns.values()):
        raise DatasetError("no picture has an object: there is nothing that could be found.")
    evaluator = COCOeval(there, found, kind)
    evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluator.params.maxDets = list(MOST)
    with redirect_stdout(io.StringIO()):
        evaluator.evaluate()
    return evaluator


def dataset(pictures: Sequence[Objects], kind: str) -> COCO:
    """One side of all pictures, all of one class."""
    images = [{"id": number, "height": x.size[0], "width": x.size[1]} for number, x in enumerate(pictures)]
    identifier = count(1)  # pycocotools takes 0 for "not matched"
    annotations = [
        {"id": next(identifier), "image_id": number, "category_id": 1, **entry}
        for number, picture in enumerate(pictures)
        for entry in entries(picture, kind)
    ]
    made = COCO()
    made.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]}
    with redirect_stdout(io.StringIO()):
        made.createIndex()
    return made


def entries(picture: Objects, kind: str) -> Iterator[dict[str, Any]]:
    """Annotations of one picture; masks and boxes need not be as many (VOC annotates more boxes than masks)."""
    if kind == "segm":
        shapes = [{"segmentation": rle, "area": rle_area(rle)} for rle in picture.rles or ()]
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


AP = Protocol(
    "Class-agnostic instance AP and AR (COCO, Lin et al. 2014; as MaskCut, Wang et al. 2023), label-free, by "
    "pycocotools: AP over IoU 0.5 .. 0.95, AR with 1, 10 and 100 objects a picture, objects of all areas, all classes "
    "taken as one, crowds ignored as pycocotools does. Over the whole data set, not a mean over images; intervals by "
    f"drawing the pictures {RESAMPLES} times again. Void is taken out of the masks that were found. Where the data "
    "set or the predictions hold boxes only, masks are not scored.",
    lambda truth, result: {},  # noqa: ARG005
    conclude,
    collect=collect,
    takes_boxes=True,
)
