"""Masks to be scored, with their soft masks where there are some; or boxes alone."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinoseg.evaluation.datasets.base import Sample
from dinoseg.evaluation.datasets.coco_entries import (
    Box,
)
from dinoseg.evaluation.metrics.boxes import Boxes, inside
from dinoseg.evaluation.metrics.masks import Mask
from dinoseg.evaluation.report import Subject
from dinoseg.images.turns import Turn
from dinoseg.pipeline import Finished
from dinoseg.segmentation import Segmentation, instance_of
from dinoseg.types import Fit, Source


@dataclass(frozen=True, slots=True, eq=False)
class PredictedBoxes(Segmentation):
    """Boxes without masks: the masks are their insides, for want of better ones."""

    exact: Boxes = field(default_factory=lambda: np.zeros((0, 4)))
    """``(n, 4)`` as they were given."""


class Predictor(typing.Protocol):
    """What makes predictions, or reads them."""

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Segmentation | str]:
        """The prediction for each picture, in order, or the short reason why there is none."""

    @property
    def subject(self) -> Subject:
        """What is scored."""


def boxes_of(prediction: Segmentation) -> Boxes:
    """``(n, 4)``: around the masks, or as they were given."""
    return prediction.exact if isinstance(prediction, PredictedBoxes) else prediction.boxes.astype(np.float64)


def with_soft_masks(finished: Finished) -> Segmentation:
    """What a method made, its soft masks beside it."""
    return replace(finished.segmentation, soft_masks=finished.soft)


def from_masks(
    source: Source, size: tuple[int, int], objects: Iterable[tuple[Mask, float, int]], **more: Any
) -> Segmentation:
    """A prediction from masks ``(H, W)``, their scores and labels; empty ones are left out."""
    ranked = sorted((x for x in objects if x[0].any()), key=lambda x: -x[1])
    return Segmentation(**common_fields(source, size, ranked), **more)


def from_soft(source: Source, soft: NDArray[np.float32]) -> Segmentation:
    """A prediction from one soft mask ``(H, W)`` in 0..1: what is above 0.5 is found."""
    mask = soft > 0.5
    score = float(soft[mask].mean()) if mask.any() else 0.0
    return from_masks(source, (soft.shape[0], soft.shape[1]), [(mask, score, 1)], soft_masks=soft[None])


def union(prediction: Segmentation) -> NDArray[np.float32]:
    """``(H, W)`` in 0..1: the surest object at every pixel."""
    return np.asarray(prediction.soft().max(axis=0, initial=0), np.float32)


def from_boxes(source: Source, size: tuple[int, int], objects: Iterable[tuple[Box, float]]) -> PredictedBoxes:
    """A prediction from boxes and their scores."""
    ranked = sorted(objects, key=lambda x: -x[1])
    exact = np.array([box for box, _ in ranked], np.float64).reshape(-1, 4)
    masks = [
        (inside(box, size), score, label) for label, (box, (_, score)) in enumerate(zip(exact, ranked, strict=True), 1)
    ]
    return PredictedBoxes(**common_fields(source, size, masks), exact=exact)


def turned_prediction(prediction: Segmentation, turn: Turn) -> Segmentation:
    """A prediction in another frame."""
    size = turn.size(prediction.size)
    if isinstance(prediction, PredictedBoxes):
        boxes = turn.boxes(prediction.exact, prediction.size).tolist()
        return from_boxes(prediction.source, size, zip(map(tuple, boxes), prediction.scores, strict=True))
    labels = [instance.label for instance in prediction.instances]
    objects = zip(map(turn.array, prediction.masks), prediction.scores, labels, strict=True)
    soft = prediction.soft_masks
    turned_soft = None if soft is None else np.array([turn.array(each) for each in soft])
    return from_masks(prediction.source, size, objects, soft_masks=turned_soft)


def common_fields(source: Source, size: tuple[int, int], ranked: Iterable[tuple[Mask, float, int]]) -> dict[str, Any]:
    """What every prediction from a file says, objects in falling order of score."""
    instances = [instance_of(mask, score, label=label) for mask, score, label in ranked]
    return {
        "id": source.id,
        "instances": tuple(instances),
        "reason": None if instances else "no_object",
        "fit": Fit(size, size, (1, 1), max(size)),
        "source": source,
        "refine": "none",
    }
