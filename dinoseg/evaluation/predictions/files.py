"""Predictions that lie in files, whoever made them: folders of masks, or COCO's json."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from dinoseg.errors import DatasetError
from dinoseg.evaluation.datasets.base import Dataset, Sample
from dinoseg.evaluation.datasets.coco_entries import (
    CocoAnnotation,
    Id,
    by_picture,
    check_entries,
    entries,
    id_of,
    load_json,
    name_of,
    picture_size,
    refuse_unlisted,
    wrong_value,
)
from dinoseg.evaluation.datasets.lists import by_stem, without_suffix
from dinoseg.evaluation.predictions.base import from_boxes, from_masks, from_soft
from dinoseg.evaluation.report import Subject
from dinoseg.images.labels import VOID, read_labels
from dinoseg.images.text import alike
from dinoseg.segmentation import Segmentation
from dinoseg.types import Source

LOOKED_AT, DARK, FEW = 20, 127, 21
"""Masks that are looked at before any is scored, and what soft ones are not: at most so bright, of so few levels."""
Reader: TypeAlias = "Callable[[Sample], Segmentation | None]"
"""Reads the prediction for a picture; none where there is none."""


class FilePredictor:
    """Predictions from files; no network is loaded.

    ``numbered``: a folder holds label maps. With ``partial`` a broken prediction is that picture's failure. Raises
    ``DatasetError`` where nothing can be read, and for results of pictures that are not in the data set.
    """

    def __init__(self, place: Path, dataset: Dataset, *, numbered: bool, partial: bool) -> None:
        self.place, self.partial = place, partial
        self.read = open_predictions(place, numbered)
        self.only_boxes = isinstance(self.read, CocoPredictions) and self.read.only_boxes
        if isinstance(self.read, CocoPredictions):
            self.read.check(dataset)

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Segmentation | str]:
        """The prediction for each picture, or why there is none."""
        return map(self.of, samples)

    def of(self, sample: Sample) -> Segmentation | str:
        """See ``__call__``. Raises ``DatasetError`` for a broken one, unless a partial score is asked for."""
        try:
            prediction = self.read(sample)
        except DatasetError as error:
            if not self.partial:
                raise
            return error.reason
        return "missing_prediction" if prediction is None else prediction

    @property
    def subject(self) -> Subject:
        """What is scored."""
        boxes = " (boxes only: masks are not scored)" if self.only_boxes else ""
        options = {"predictions": self.place, "only_boxes": self.only_boxes}
        return Subject(None, None, "cpu", None, options, (f"- predictions: {self.place}{boxes}",))


def open_predictions(place: Path, numbered: bool = False) -> Reader:
    """A folder of masks (of label maps where ``numbered``), or COCO's json (a data set, or a list of results).

    Raises ``DatasetError``.
    """
    if place.is_dir():
        files = by_name(place)
        if not numbered:
            refuse_grey_numbers(place, files)
        return partial(read_prediction, files, numbered)
    if place.is_file() and place.suffix == ".json":
        return CocoPredictions(place)
    raise DatasetError(f"{place} holds no predictions: name a folder of masks, or a COCO json (a data set or results).")


def by_name(folder: Path) -> dict[str, Path]:
    """Mask files by path below the folder without extension. Raises ``DatasetError`` for a folder without any."""
    files = by_stem(folder)
    if not files:
        raise DatasetError(f"{folder} holds no masks: a mask has its picture's name.")
    return files


def refuse_grey_numbers(folder: Path, files: Mapping[str, Path]) -> None:
    """Raise ``DatasetError`` where the first masks hold a few dark levels of grey: as soft masks they are empty."""
    first = []
    for name in sorted(files)[:LOOKED_AT]:
        with suppress(DatasetError):  # raised again when it is scored
            first.append(read_labels(files[name]))
    drawn = [x for x in first if x.values.any()]
    if drawn and all(x.mode == "L" and 1 < x.values.max() <= DARK and len(np.unique(x.values)) <= FEW for x in drawn):
        most = max(int(x.values.max()) for x in drawn)
        raise DatasetError(
            f"{folder} holds grey masks of levels up to {most}: a soft mask is white (255) where it is surest, and "
            "objects by number need a palette."
        )


def read_prediction(files: Mapping[str, Path], numbered: bool, sample: Sample) -> Segmentation | None:
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
            self.annotations = by_picture(path, check_entries(path, content, "results"), "results")
        else:
            annotations = by_picture(path, entries(path, content, "annotations"), "annotations")
            self.pictures, names = {}, {}
            for index, picture in enumerate(entries(path, content, "images")):
                name = name_of(picture)
                if name is None:
                    raise DatasetError(f"{path}: images[{index}] {wrong_value(picture, 'file_name')}.")
                names[id_of(picture, "id", f"{path}: images[{index}]")] = name
                self.pictures[alike(name)] = picture
            refuse_unlisted(path, annotations, names, "it")
            self.annotations = annotations
        self.only_boxes = all_boxes(x for objects in self.annotations.values() for x in objects)

    def check(self, dataset: Dataset) -> None:
        """Raise ``DatasetError`` for results of pictures that are not in the data set."""
        if self.pictures is not None:
            return
        if not dataset.numbers:
            raise DatasetError(f"{self.path} names pictures by COCO's ids: the data must be a COCO json too.")
        step = " A json with images of its own may name them by file_name instead."
        refuse_unlisted(self.path, self.annotations, dataset.numbers, dataset.name, step)

    def __call__(self, sample: Sample) -> Segmentation | None:
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
        size = picture_size(picture)
        if size is None:
            height, width = (wrong_value(picture, side) for side in ("height", "width"))
            raise DatasetError(f"{self.path}: the picture {sample.id} {height} and {width}.")
        return self.of(sample, picture["id"], size)

    def of(self, sample: Sample, number: Id, size: tuple[int, int]) -> Segmentation:
        """The prediction for a picture of ``(H, W)`` px."""
        source, objects = Source(sample.id, self.path), self.annotations.get(number, [])
        scores = [annotation.score for annotation in objects]
        if self.only_boxes:
            return from_boxes(source, size, zip((annotation.box for annotation in objects), scores, strict=True))
        masks = [annotation.mask(size) for annotation in objects]
        return from_masks(source, size, zip(masks, scores, range(1, len(objects) + 1), strict=True))


def frame_of_results(results: Sequence[CocoAnnotation], size: tuple[int, int]) -> tuple[int, int]:
    """``(H, W)`` of results: that of the data set's json, its sides swapped where all run lengths say so."""
    shapes = [annotation.content.get("segmentation") for annotation in results]
    sizes = [shape.get("size") for shape in shapes if isinstance(shape, dict)]
    return size[::-1] if sizes and all(each == [*size[::-1]] for each in sizes) else size


def all_boxes(annotations: Iterable[CocoAnnotation]) -> bool:
    """Whether there are some, all with a bbox and none with a segmentation."""
    boxed = [annotation.boxed and not annotation.masked for annotation in annotations]
    return bool(boxed) and all(boxed)
