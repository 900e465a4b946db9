"""What is scored: results of the road with their soft masks, or predictions that lie in files, whoever made them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import DatasetError
from dinoseg.evaluation.coco import box_of, decode, load_json, score_of
from dinoseg.evaluation.layouts import by_stem, inside
from dinoseg.evaluation.lists import without_suffix
from dinoseg.evaluation.metrics import Boxes, Mask
from dinoseg.evaluation.samples import Sample
from dinoseg.images.labels import VOID, read_labels
from dinoseg.images.text import alike
from dinoseg.outputs.rle import encode_rle, rle_area, rle_box
from dinoseg.pipeline import Finished
from dinoseg.types import Fit, Instance, Segmentation, Source

Reader: TypeAlias = "Callable[[Sample], Predicted | None]"
"""Reads the prediction for a picture; none where there is none."""
Box: TypeAlias = tuple[float, float, float, float]
"""``x0, y0, x1, y1`` px, half open."""


@dataclass(frozen=True, slots=True, eq=False)
class Predicted(Segmentation):
    """A segmentation whose soft masks are at hand."""

    kept: NDArray[np.float32] | None = None
    """``(n, H, W)``; none: the masks themselves."""

    def soft(self) -> NDArray[np.float32]:
        """``(n, H, W)`` in 0..1: nothing is refined again."""
        return self.masks.astype(np.float32) if self.kept is None else self.kept


@dataclass(frozen=True, slots=True, eq=False)
class PredictedBoxes(Predicted):
    """Boxes without masks: the masks are their insides, for want of better ones."""

    exact: Boxes = field(default_factory=lambda: np.zeros((0, 4)))
    """``(n, 4)`` as they were given."""


def boxes_of(found: Segmentation) -> Boxes:
    """``(n, 4)``: around the masks, or as they were given."""
    return found.exact if isinstance(found, PredictedBoxes) else found.boxes.astype(np.float64)


def of_road(finished: Finished) -> Predicted:
    """A result of the road."""
    made = finished.segmentation
    return Predicted(**{field.name: getattr(made, field.name) for field in fields(made)}, kept=finished.soft)


def open_predictions(place: Path) -> Reader:
    """A folder of masks, or COCO's json (a data set, or a list of results). Raises ``DatasetError``."""
    if place.is_dir():
        return partial(read_mask, by_name(place))
    if place.is_file() and place.suffix == ".json":
        return CocoPredictions(place)
    raise DatasetError(f"{place} holds no predictions: name a folder of masks, or a COCO json (a data set or results).")


def from_masks(
    source: Source, size: tuple[int, int], found: Iterable[tuple[Mask, float, int]], **more: Any
) -> Predicted:
    """A prediction from masks ``(H, W)``, their scores and labels; empty ones are left out."""
    ranked = sorted((x for x in found if x[0].any()), key=lambda x: -x[1])
    return Predicted(**common(source, size, ranked), **more)


def from_soft(source: Source, soft: NDArray[np.float32]) -> Predicted:
    """A prediction from one soft mask ``(H, W)`` in 0..1: what is above 0.5 is found."""
    mask = soft > 0.5
    score = float(soft[mask].mean()) if mask.any() else 0.0
    return from_masks(source, (soft.shape[0], soft.shape[1]), [(mask, score, 1)], kept=soft[None])


def union(found: Segmentation) -> NDArray[np.float32]:
    """``(H, W)`` in 0..1: the surest object at every pixel."""
    return np.asarray(found.soft().max(axis=0, initial=0), np.float32)


def from_boxes(source: Source, size: tuple[int, int], found: Iterable[tuple[Box, float]]) -> PredictedBoxes:
    """A prediction from boxes and their scores."""
    ranked = sorted(found, key=lambda x: -x[1])
    exact = np.array([box for box, _ in ranked], np.float64).reshape(-1, 4)
    masks = [
        (inside(box, size), score, label) for label, (box, (_, score)) in enumerate(zip(exact, ranked, strict=True), 1)
    ]
    return PredictedBoxes(**common(source, size, masks), exact=exact)


def common(source: Source, size: tuple[int, int], ranked: Iterable[tuple[Mask, float, int]]) -> dict[str, Any]:
    """What every prediction from a file says, objects in falling order of score."""
    unknown = np.zeros((1, 1), np.float32)  # no method's map is known
    instances = []
    for mask, score, label in ranked:
        rle = encode_rle(mask)
        instances.append(Instance(rle, rle_box(rle), rle_area(rle), score, label, unknown))
    return {
        "id": source.id,
        "instances": tuple(instances),
        "reason": None if instances else "no_object",
        "fit": Fit(size, size, (1, 1), max(size)),
        "source": source,
        "refine": "none",
    }


# Folders: masks named as the pictures.


def by_name(folder: Path) -> dict[str, Path]:
    """Mask files by path below the folder without extension. Raises ``DatasetError`` for a folder without any."""
    found = by_stem(folder)
    if not found:
        raise DatasetError(f"{folder} holds no masks: a mask has its picture's name.")
    return found


def read_mask(files: Mapping[str, Path], sample: Sample) -> Predicted | None:
    """A palette picture holds an object per index, the first the surest; a grey one is a soft mask, white the surest.

    ``cat.png`` and ``cat.jpg.png``, as ``dinoseg segment`` names it, both are of ``cat.jpg``.
    """
    name = alike(sample.id)
    path = files.get(name) or files.get(without_suffix(name))
    if path is None:
        return None
    values, mode = read_labels(path)
    source, size = Source(sample.id, path), (values.shape[0], values.shape[1])
    if mode == "P":
        labels = [int(label) for label in np.unique(values) if label not in (0, VOID)]
        return from_masks(source, size, ((values == label, 1 / label, label) for label in labels))
    soft = values.astype(np.float32) / np.float32(255 if values.max() > 1 else 1)  # (H, W)
    return from_soft(source, soft)


# COCO's json.


class CocoPredictions:
    """Annotations of a data set's json, found by file name, or of a list of results, found by COCO's image id.

    Where none of them has a segmentation (or an empty one), as detectors write it, they are boxes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        content = load_json(path)
        try:
            results = isinstance(content, list)
            self.annotations = defaultdict(list)
            for annotation in content if results else content["annotations"]:
                self.annotations[annotation["image_id"]].append(annotation)
            self.only_boxes = all_boxes(x for found in self.annotations.values() for x in found)
            self.pictures = None if results else {alike(x["file_name"]): x for x in content["images"]}
        except (AttributeError, KeyError, TypeError) as error:
            raise DatasetError(f"{path} is not COCO's json ({type(error).__name__}: {error}).") from error

    def __call__(self, sample: Sample) -> Predicted | None:
        """A picture that is listed without annotation has no object; a list of results lists all pictures."""
        if self.pictures is None:
            if sample.number is None:
                raise DatasetError(f"{self.path} names pictures by COCO's ids: the data must be a COCO json too.")
            return self.of(sample, sample.number, sample.truth().foreground.shape)
        picture = self.pictures.get(alike(sample.id))
        return self.of(sample, picture["id"], (picture["height"], picture["width"])) if picture else None

    def of(self, sample: Sample, number: int, size: tuple[int, ...]) -> Predicted:
        """The prediction for a picture of ``(H, W)`` px."""
        frame = (size[0], size[1])
        source, found = Source(sample.id, self.path), self.annotations[number]
        scores = list(map(score_of, found))
        if self.only_boxes:
            return from_boxes(source, frame, zip(map(box_of, found), scores, strict=True))
        masks = [decode(annotation, frame) for annotation in found]
        return from_masks(source, frame, zip(masks, scores, range(1, len(found) + 1), strict=True))


def all_boxes(annotations: Iterable[dict[str, Any]]) -> bool:
    """Whether there are some, all with a bbox and none with a segmentation."""
    shapes = [(bool(annotation.get("segmentation")), "bbox" in annotation) for annotation in annotations]
    return bool(shapes) and all(boxed and not masked for masked, boxed in shapes)
