"""Ground truth in COCO's json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dinoseg.errors import DatasetError
from dinoseg.evaluation.datasets.base import Dataset, Layout, Sample, Truth, by_id
from dinoseg.evaluation.datasets.coco_entries import (
    CocoAnnotation,
    Id,
    by_picture,
    entries,
    id_of,
    load_json,
    name_of,
    picture_size,
    refuse_unlisted,
    wrong_value,
)
from dinoseg.evaluation.metrics.boxes import Boxes, beside, mask_box
from dinoseg.evaluation.metrics.masks import Mask
from dinoseg.images.text import spelled


def find_coco(root: Path, image_set: str | None = None) -> Dataset | None:
    """A COCO json file, or the folder with ``annotations/instances_*.json`` in it; COCO20k is a list of train2014."""
    if root.is_file():
        return coco(root).listed(image_set) if root.suffix == ".json" else None
    files = sorted((root / "annotations").glob("instances_*.json"))
    val = [path for path in files if "val" in path.stem] or files
    if len(val) > 1:
        raise DatasetError(f"{root} has several instances files: name the one that is meant, for instance {val[0]}.")
    return coco(val[0]).listed(image_set) if val else None


def coco(path: Path) -> Dataset:
    """All pictures of a json file, those without annotations included.

    Raises ``DatasetError`` for a broken file, and where it does not say which picture is which; an entry that says too
    little of its picture is that picture's ``fault``.
    """
    content = load_json(path)
    pictures, annotations = entries(path, content, "images"), entries(path, content, "annotations")
    ids = [id_of(picture, "id", f"{path}: images[{index}]") for index, picture in enumerate(pictures)]
    check_once(path, "id", ids)
    names = {id_: str(picture.get("file_name")) for id_, picture in zip(ids, pictures, strict=True)}
    of_picture = by_picture(path, annotations, "annotations", names)
    refuse_unlisted(path, of_picture, names, "it")
    classes = classes_of(path, content)
    folder = picture_folder(path, pictures)
    samples = [
        sample_of(path, folder, index, picture, of_picture.get(id_, []), classes)
        for index, (id_, picture) in enumerate(zip(ids, pictures, strict=True))
    ]
    check_once(path, "file_name", [sample.id for sample in samples])
    masked = sum(annotation.masked for listed in of_picture.values() for annotation in listed)
    boxed = len(annotations) - masked
    rule = "any annotation, crowd regions included; no void; boxes: annotated, without crowds"
    return Dataset(
        path.stem,
        "COCO json",
        f"{rule}; {boxed} of {len(annotations)} annotations are boxes without masks" if boxed else rule,
        by_id(samples),
        tuple(sorted(set(classes.values()))),
        has_masks=bool(masked or not boxed),
        source=coco_source(path),
        numbers=frozenset(ids),
    )


def sample_of(
    path: Path,
    folder: Path,
    index: int,
    picture: dict[str, Any],
    annotations: Sequence[CocoAnnotation],
    classes: Mapping[Id, str],
) -> Sample:
    """One picture. Raises ``DatasetError`` for a name that leaves the folder."""
    where, name, size = f"{path}: images[{index}]", name_of(picture), picture_size(picture)
    if name is None:
        fault = f"{where} {wrong_value(picture, 'file_name')}"
        return Sample(f"images[{index}]", folder, path, partial(broken_truth, fault), fault=fault)
    image = below(folder, name, path)
    id_, number = image.relative_to(folder).as_posix(), picture["id"]
    if size is None:
        fault = f"{where} ({name}) {wrong_value(picture, 'height')} and {wrong_value(picture, 'width')}"
        return Sample(id_, image, path, partial(broken_truth, fault), number=number, fault=fault)
    return Sample(id_, image, path, partial(coco_truth, annotations, size, classes), number=number, size=size)


def broken_truth(fault: str) -> Truth:
    """The truth of a picture whose entry is broken. Raises ``DatasetError``."""
    raise DatasetError(f"{fault}.")


def coco_source(path: Path) -> str:
    """Where the pictures of one of COCO's own files come from."""
    part = path.stem.removeprefix("instances_")
    return f"{part}.zip (cocodataset.org), unpacked to {part} beside annotations" if part != path.stem else ""


def classes_of(path: Path, content: dict[str, Any]) -> dict[Id, str]:
    """Names of the categories by id; none where the file has no list of them. Raises ``DatasetError``."""
    names = {}
    for index, entry in enumerate(entries(path, content, "categories") if content.get("categories") else ()):
        where = f"{path}: categories[{index}]"
        id_ = id_of(entry, "id", where)
        if not isinstance(entry.get("name"), str):
            raise DatasetError(f"{where} {wrong_value(entry, 'name')}: text is needed.")
        names[id_] = str(entry["name"])
    return names


def check_once(path: Path, key: str, values: Iterable[Any]) -> None:
    """Raise ``DatasetError`` for a picture that is listed twice: it would count twice."""
    (most, count), *_ = Counter(values).most_common(1) or [(None, 0)]
    if count > 1:
        raise DatasetError(f"{path} lists {count} pictures with the {key} {most!r}: each must have its own.")


def picture_folder(path: Path, pictures: Sequence[dict[str, Any]]) -> Path:
    """Where the pictures lie: ``val2017`` beside ``annotations``, there in ``images``, or beside the json."""
    root, part = path.parent.parent, path.stem.removeprefix("instances_")
    candidates = (root / part, root / "images" / part, root / "images", path.parent / "images", path.parent)
    names = [name for picture in pictures if (name := name_of(picture)) is not None]
    for folder in candidates:
        if any(spelled(folder, name).is_file() for name in names) or not names:
            return folder
    looked = ", ".join(str(folder) for folder in candidates)
    packed = f" They are in {source}." if (source := coco_source(path)) else ""
    raise DatasetError(f"{path} lists {len(pictures)} pictures, none of which is there (looked in {looked}).{packed}")


def below(folder: Path, name: str, path: Path) -> Path:
    """The picture's path. Raises ``DatasetError`` for a name that leaves the folder."""
    image = spelled(folder, name)
    if not image.resolve().is_relative_to(folder.resolve()):
        raise DatasetError(f"{path}: the file_name {name!r} leaves {folder}.")
    return image


def coco_truth(annotations: Sequence[CocoAnnotation], size: tuple[int, int], classes: Mapping[Id, str]) -> Truth:
    """Union of all annotations, crowd included. Raises ``DatasetError`` for a broken one."""
    foreground = np.zeros(size, bool)
    for annotation in annotations:
        foreground |= annotation.region(size)
    present = {classes[id_] for x in annotations if (id_ := x.category) is not None and id_ in classes}
    crowds, single = ([x for x in annotations if x.crowd == crowd] for crowd in (True, False))
    return Truth(
        foreground,
        partial(coco_masks, single, size),
        classes=tuple(sorted(present)),
        boxes=partial(coco_boxes, single, size),
        crowds=partial(coco_masks, crowds, size),
        only_boxes=not all(annotation.masked for annotation in annotations),
    )


def coco_masks(annotations: Sequence[CocoAnnotation], size: tuple[int, int]) -> list[Mask]:
    """One mask per annotation that is not empty."""
    masks = [annotation.region(size) for annotation in annotations]
    return [mask for mask in masks if mask.any()]


def coco_boxes(annotations: Sequence[CocoAnnotation], size: tuple[int, int]) -> Boxes:
    """The annotated boxes, ``(n, 4)``; around the mask where there is none. Raises ``DatasetError``."""
    boxes = [x.box if x.boxed else mask_box(x.mask(size)) for x in annotations]
    for annotation, box in zip(annotations, boxes, strict=True):
        if beside(box, size):
            given = wrong_value(annotation.content, "bbox")
            raise DatasetError(f"{annotation.where} {given}, beside its picture of {size[1]} x {size[0]} px.")
    return np.array(boxes, np.float64).reshape(-1, 4)


COCO = Layout(
    "annotations/instances_val2017.json and val2017/: COCO (or give the json file itself)",
    find_coco,
)
