"""PASCAL VOC 2007 and 2012."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dinoseg.errors import DatasetError, ImageError
from dinoseg.evaluation.datasets.base import Dataset, Layout, Sample, Truth, by_id, by_value
from dinoseg.evaluation.datasets.lists import (
    Names,
    by_stem,
    missing_part,
    names_in,
    set_file,
    set_name,
    without_suffix,
)
from dinoseg.evaluation.metrics.boxes import FAR, Boxes, beside, inside
from dinoseg.evaluation.metrics.masks import Mask
from dinoseg.files import open_regular
from dinoseg.images.decode import as_source, decode
from dinoseg.images.labels import VOID, read_labels
from dinoseg.images.text import spelled
from dinoseg.options import MAX_PIXELS

VOC_TARS = {"2007": "VOCtrainval_06-Nov-2007.tar or VOCtest_06-Nov-2007.tar", "2012": "VOCtrainval_11-May-2012.tar"}
BOXED = "boxes: Annotations, difficult and truncated ones too"
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def find_voc(root: Path, image_set: str | None = None) -> Dataset | None:
    """The pictures of one of VOC's lists; a folder is VOC's when it holds ``JPEGImages``."""
    images = root / "JPEGImages"
    if not images.is_dir():
        return None
    source = voc_source(root)
    listing = set_file(root, image_set or "Segmentation/val", source)
    detection = listing.parent.name == "Main"
    needed = root / ("Annotations" if detection else "SegmentationClass")
    if not needed.is_dir():
        raise DatasetError(missing_part(root, needed, source))
    sample = partial(voc_boxed_sample if detection else voc_sample, root)
    meaning = Names(path.relative_to(images).as_posix() for path in by_stem(images).values())
    named = {meant or f"{without_suffix(name)}.jpg" for name, meant in names_in(listing, meaning).items()}
    samples = by_id(map(sample, named))
    if detection:
        rule = f"inside of any box; {BOXED}"
        return Dataset(root.name, f"PASCAL VOC, {set_name(listing)}", rule, samples, VOC_CLASSES, False, source)
    boxed = BOXED if (root / "Annotations").is_dir() else "boxes: around the objects' masks"
    rule = f"any of the 20 classes; 255 is void and left out; {boxed}"
    return Dataset(root.name, f"PASCAL VOC, {set_name(listing)}", rule, samples, VOC_CLASSES, source=source)


def voc_source(root: Path) -> str:
    """Where a part of the data set comes from."""
    year = "2007" if "2007" in root.name else "2012"
    return f"{VOC_TARS[year]} (host.robots.ox.ac.uk/pascal/VOC/voc{year}), unpacked to VOCdevkit/VOC{year}"


def voc_sample(root: Path, id_: str) -> Sample:
    """A picture of the lists of ``Segmentation``; its boxes are those of ``Annotations``, where that folder is."""
    stem = without_suffix(id_)
    mask, objects = (spelled(root / name, f"{stem}.png") for name in ("SegmentationClass", "SegmentationObject"))
    annotation = spelled(root / "Annotations", f"{stem}.xml") if (root / "Annotations").is_dir() else None
    also = (objects, annotation) if annotation else (objects,)
    return Sample(id_, root / "JPEGImages" / id_, mask, partial(voc_truth, mask, objects, annotation), also=also)


def voc_boxed_sample(root: Path, id_: str) -> Sample:
    """A picture of the lists of ``Main``: boxes and no masks."""
    image, annotation = root / "JPEGImages" / id_, spelled(root / "Annotations", f"{without_suffix(id_)}.xml")
    return Sample(id_, image, annotation, partial(voc_boxed_truth, image, annotation))


def voc_truth(path: Path, objects: Path, annotation: Path | None = None) -> Truth:
    """Class map as stored: 0 background, 1..20 classes, 255 void. Raises ``DatasetError`` for other values."""
    values = read_labels(path).numbers()
    present = [int(value) for value in np.unique(values) if value not in (0, VOID)]
    if present and present[-1] > len(VOC_CLASSES):
        raise DatasetError(f"{path} holds the value {present[-1]}: a VOC class mask has 0..20 and 255 only.")
    names = tuple(VOC_CLASSES[value - 1] for value in present)
    foreground = (values != 0) & (values != VOID)
    boxes = (lambda: voc_annotation(annotation).boxes) if annotation else None
    return Truth(
        foreground,
        partial(voc_objects, objects),
        values == VOID,
        names,
        boxes,
        class_map=values,
    )


def voc_objects(path: Path) -> list[Mask]:
    """The single objects of a picture. Raises ``DatasetError`` where they were not unpacked."""
    root = path.parents[1]
    if not path.is_file():
        raise DatasetError(missing_part(root, path, voc_source(root)))
    return by_value(read_labels(path).numbers())


def voc_boxed_truth(image: Path, path: Path) -> Truth:
    """What an XML file alone says; objects are the insides of the boxes."""
    annotation = voc_annotation(path)
    size = annotation.size or image_size(image)
    filled = [inside(box, size) for box in annotation.boxes]
    foreground = np.any([np.zeros(size, bool), *filled], axis=0)  # (H, W)
    return Truth(
        foreground, lambda: filled, classes=annotation.classes, boxes=lambda: annotation.boxes, only_boxes=True
    )


class VocAnnotation(NamedTuple):
    """What is used of a VOC annotation."""

    size: tuple[int, int] | None
    """``(H, W)`` px of the picture; none where the file does not say."""
    boxes: Boxes
    classes: tuple[str, ...]


def voc_annotation(path: Path) -> VocAnnotation:
    """All objects of an XML file. VOC counts pixels from 1 and includes the last: only x0, y0 lose one.

    Raises ``DatasetError`` for a file that is missing or broken, and for an object without an upright box.
    """
    try:
        with open_regular(path) as file:
            tree = ET.parse(file)  # noqa: S314 (expat itself stops entities that grow)
        height, width = (side_of(tree, side) for side in ("height", "width"))
        things = list(tree.iter("object"))
        boxes = np.array([corners_of(thing) for thing in things], np.float64).reshape(-1, 4) - (1, 1, 0, 0)
    except ET.ParseError as error:
        raise DatasetError(f"{path} cannot be read as a VOC annotation ({error}): is it half a download?") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as a VOC annotation: {error}.") from error
    if height * width > MAX_PIXELS:
        raise DatasetError(f"{path} says {width} x {height} px: more than any picture that is read.")
    classes = {thing.findtext("name", "") for thing in things}
    size = (height, width) if height and width else None
    if size and any(beside(box, size) for box in boxes):
        raise DatasetError(f"{path} has a box beside its picture of {width} x {height} px.")
    return VocAnnotation(size, boxes, tuple(name for name in VOC_CLASSES if name in classes))


def side_of(tree: ET.ElementTree[Any], side: str) -> int:
    """``height`` or ``width`` in px, 0 where it is not said. Raises ``ValueError`` for what is no such number."""
    text = tree.findtext(f"size/{side}") or "0"
    if not (value := float(text)).is_integer() or value < 0:  # inf and NaN are no integers
        raise ValueError(f"its {side} is {text.strip()}")
    return int(value)


def corners_of(thing: ET.Element) -> tuple[float, float, float, float]:
    """``xmin, ymin, xmax, ymax`` of an object, whichever corner is written first. Raises ``ValueError``."""
    texts = {side: thing.findtext(f"bndbox/{side}") for side in ("xmin", "xmax", "ymin", "ymax")}
    lacking = [side for side, text in texts.items() if text is None]
    if lacking:
        raise ValueError(f"its object {thing.findtext('name', '')!r} has no bndbox with {', '.join(lacking)}")
    values = [float(text or "") for text in texts.values()]
    if not (np.abs(values) <= FAR).all():  # nor is NaN
        raise ValueError(f"its object {thing.findtext('name', '')!r} has the box {values}")
    (x0, x1), (y0, y1) = sorted(values[:2]), sorted(values[2:])
    return x0, y0, x1, y1


def image_size(image: Path) -> tuple[int, int]:
    """``(H, W)`` of a picture, upright. Raises ``DatasetError`` for one that cannot be read."""
    try:
        return decode(as_source(image), reduce_to=1).size
    except ImageError as error:
        raise DatasetError(f"its annotation says no size, and {error}") from error


VOC = Layout(
    "JPEGImages/, SegmentationClass/, Annotations/ and ImageSets/: PASCAL VOC, the folder VOCdevkit/VOC2007 or VOC2012",
    find_voc,
)
