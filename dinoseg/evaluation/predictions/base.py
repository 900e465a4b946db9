"""What is scored: results of the road with their soft masks, or predictions that lie in files, whoever made them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import DatasetError
from dinoseg.evaluation.datasets.base import Dataset, Sample
from dinoseg.evaluation.datasets.coco_entries import (
    Annotation,
    Box,
    Id,
    by_picture,
    checked,
    entries,
    id_of,
    load_json,
    name_of,
    refuse_foreign,
    size_of,
    told,
)
from dinoseg.evaluation.datasets.lists import by_stem, without_suffix
from dinoseg.evaluation.metrics.boxes import Boxes, inside
from dinoseg.evaluation.metrics.masks import Mask
from dinoseg.images.labels import VOID, read_labels
from dinoseg.images.text import alike
from dinoseg.images.turns import Turn
from dinoseg.outputs.rle import encode_rle, rle_area, rle_box
from dinoseg.pipeline import Finished
from dinoseg.types import Fit, Instance, Segmentation, Source

LOOKED_AT, DARK, FEW = 20, 127, 21
"""Masks that are looked at before any is scored, and what soft ones are not: at most so bright, of so few levels."""

Reader: TypeAlias = "Callable[[Sample], Predicted | None]"
"""Reads the prediction for a picture; none where there is none."""


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


def open_predictions(place: Path, numbered: bool = False) -> Reader:
    """A folder of masks (of label maps where ``numbered``), or COCO's json (a data set, or a list of results).

    Raises ``DatasetError``.
    """
    if place.is_dir():
        files = by_name(place)
        if not numbered:
            refuse_grey_numbers(place, files)
        return partial(read_mask, files, numbered)
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


def turned(found: Predicted, turn: Turn) -> Predicted:
    """A prediction in another frame."""
    size = turn.size(found.size)
    if isinstance(found, PredictedBoxes):
        boxes = turn.boxes(found.exact, found.size).tolist()
        return from_boxes(found.source, size, zip(map(tuple, boxes), found.scores, strict=True))
    masks = zip(map(turn.array, found.masks), found.scores, [x.label for x in found.instances], strict=True)
    soft = None if found.kept is None else np.array([turn.array(each) for each in found.kept])
    return from_masks(found.source, size, masks, kept=soft)


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


def refuse_grey_numbers(folder: Path, files: Mapping[str, Path]) -> None:
    """Raise ``DatasetError`` where the first masks hold a few dark levels of grey: as soft masks they are empty."""
    first = []
    for name in sorted(files)[:LOOKED_AT]:
        with suppress(DatasetError):  # told when it is scored
            first.append(read_labels(files[name]))
    drawn = [x for x in first if x.values.any()]
    if drawn and all(x.mode == "L" and 1 < x.values.max() <= DARK and len(np.unique(x.values)) <= FEW for x in drawn):
        most = max(int(x.values.max()) for x in drawn)
        raise DatasetError(
            f"{folder} holds grey masks of levels up to {most}: a soft mask is white (255) where it is surest, and "
            "objects by number need a palette."
        )


def read_mask(files: Mapping[str, Path], numbered: bool, sample: Sample) -> Predicted | None:
    """A palette picture holds an object per index, the first the surest; a grey one is a soft mask, white the surest.

    Where label maps are wanted (``numbered``), a grey one that is not soft holds numbers as well.

    ``cat.png`` and ``cat.jpg.png``, as ``dinoseg segment`` names it, both are of ``cat.jpg``.
    """
    name = alike(sample.id)
    path = files.get(name) or files.get(without_suffix(name))
    if path is None:
        return None
    stored = read_labels(path)
    numbered = stored.mode == "P" or (numbered and not (stored.lossy or stored.soft))
    values = stored.numbers() if numbered and stored.mode != "P" else stored.values
    source, size = Source(sample.id, path), (values.shape[0], values.shape[1])
    if numbered:
        labels = [int(label) for label in np.unique(values) if label not in (0, VOID)]
        return from_masks(source, size, ((values == label, 1 / label, label) for label in labels))
    soft = values.astype(np.float32) / np.float32(255 if values.max() > 1 else 1)  # (H, W)
    return from_soft(source, soft)


# COCO's json.


class CocoPredictions:
    """Annotations of a data set's json, found by file name, or of a list of results, found by COCO's image id.

    Where none of them has a segmentation (or an empty one), as detectors write it, they are boxes. Raises
    ``DatasetError`` for a json that is neither, and for annotations of pictures that it does not list.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        content = load_json(path)
        self.pictures: dict[str, dict[str, Any]] | None = None
        if isinstance(content, list):
            self.annotations = by_picture(path, checked(path, content, "results"), "results")
        else:
            annotations = by_picture(path, entries(path, content, "annotations"), "annotations")
            self.pictures, names = {}, {}
            for index, picture in enumerate(entries(path, content, "images")):
                name = name_of(picture)
                if name is None:
                    raise DatasetError(f"{path}: images[{index}] {told(picture, 'file_name')}.")
                names[id_of(picture, "id", f"{path}: images[{index}]")] = name
                self.pictures[alike(name)] = picture
            refuse_foreign(path, annotations, names, "it")
            self.annotations = annotations
        self.only_boxes = all_boxes(x for found in self.annotations.values() for x in found)

    def check(self, dataset: Dataset) -> None:
        """Raise ``DatasetError`` for results of pictures that are not in the data set."""
        if self.pictures is not None:
            return
        if not dataset.numbers:
            raise DatasetError(f"{self.path} names pictures by COCO's ids: the data must be a COCO json too.")
        step = " A json with images of its own may name them by file_name instead."
        refuse_foreign(self.path, self.annotations, dataset.numbers, dataset.name, step)

    def __call__(self, sample: Sample) -> Predicted | None:
        """A picture that is listed without annotation has no object; a list of results lists all pictures."""
        if self.pictures is None:
            assert sample.number is not None
            assert sample.size is not None
            return self.of(
                sample, sample.number, frame_of_results(self.annotations.get(sample.number, ()), sample.size)
            )
        picture = self.pictures.get(alike(sample.id))
        if picture is None:
            return None
        size = size_of(picture)
        if size is None:
            raise DatasetError(
                f"{self.path}: the picture {sample.id} {told(picture, 'height')} and {told(picture, 'width')}."
            )
        return self.of(sample, picture["id"], size)

    def of(self, sample: Sample, number: Id, size: tuple[int, int]) -> Predicted:
        """The prediction for a picture of ``(H, W)`` px."""
        source, found = Source(sample.id, self.path), self.annotations.get(number, [])
        scores = [annotation.score for annotation in found]
        if self.only_boxes:
            return from_boxes(source, size, zip((annotation.box for annotation in found), scores, strict=True))
        masks = [annotation.mask(size) for annotation in found]
        return from_masks(source, size, zip(masks, scores, range(1, len(found) + 1), strict=True))


def frame_of_results(found: Sequence[Annotation], size: tuple[int, int]) -> tuple[int, int]:
    """``(H, W)`` of results: that of the data set's json, its sides swapped where all run lengths say so."""
    shapes = [annotation.content.get("segmentation") for annotation in found]
    said = [shape.get("size") for shape in shapes if isinstance(shape, dict)]
    return size[::-1] if said and all(each == [*size[::-1]] for each in said) else size


def all_boxes(annotations: Iterable[Annotation]) -> bool:
    """Whether there are some, all with a bbox and none with a segmentation."""
    boxed = [annotation.boxed and not annotation.masked for annotation in annotations]
    return bool(boxed) and all(boxed)
