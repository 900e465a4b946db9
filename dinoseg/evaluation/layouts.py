"""Folder layouts: image + mask folders, PASCAL VOC, DAVIS."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import DatasetError
from dinoseg.evaluation.metrics import Boxes, Mask
from dinoseg.evaluation.samples import Dataset, Sample, Truth, by_id
from dinoseg.images.labels import VOID, read_labels

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"))
IMAGE_WORDS = re.compile(r"im(age|g)|jpe?g|photo|picture", re.IGNORECASE)
MASK_WORDS = re.compile(r"mask|gt|ground.?truth|annotation|label", re.IGNORECASE)
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


# A folder of pictures beside a folder of masks: DUTS, ECSSD, DUT-OMRON, your own.


def find_pairs(root: Path) -> Dataset | None:
    """The one folder whose name says masks, beside the one whose name says images."""
    folders = [path for path in sorted(root.iterdir()) if path.is_dir()] if root.is_dir() else []
    masks = [path for path in folders if MASK_WORDS.search(path.name)]
    images = [path for path in folders if IMAGE_WORDS.search(path.name) and path not in masks]
    return pairs(images[0], masks[0]) if len(images) == len(masks) == 1 else None


def pairs(images: Path, masks: Path) -> Dataset:
    """Pictures and masks that share a path but for the extension."""
    photos, truths = by_stem(images), by_stem(masks)
    samples = []
    for stem in photos.keys() | truths.keys():
        image, mask = photos.get(stem, images / f"{stem}.jpg"), truths.get(stem, masks / f"{stem}.png")
        samples.append(Sample(image.relative_to(images).as_posix(), image, mask, partial(grey_truth, mask)))
    rule = "grey level above 127 (above 0 in a 0/1 mask), any palette index but 0; no void"
    name = images.parent.name if images.parent == masks.parent else f"{images.name} + {masks.name}"
    return Dataset(name, "images + masks", rule, by_id(samples))


def by_stem(folder: Path) -> dict[str, Path]:
    """Image files below a folder by relative path without extension. Raises ``DatasetError`` where two share one."""
    found: dict[str, Path] = {}
    for path in folder.rglob("*"):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            stem = path.relative_to(folder).with_suffix("").as_posix()
            if stem in found:
                raise DatasetError(f"{found[stem]} and {path} share a name: which one is meant? Move one away.")
            found[stem] = path
    return found


def grey_truth(path: Path) -> Truth:
    """See the rule in ``pairs``; the foreground is the only object."""
    values, mode = read_labels(path)
    foreground = values > (0 if mode == "P" or values.max() <= 1 else 127)
    return Truth(foreground, lambda: [foreground] if foreground.any() else [])


# PASCAL VOC.


def find_voc(root: Path) -> Dataset | None:
    """VOC's segmentation val list; a folder is VOC's when it holds ``JPEGImages``."""
    images, classes, objects = (root / x for x in ("JPEGImages", "SegmentationClass", "SegmentationObject"))
    boxes = root / "Annotations"
    if not images.is_dir():
        return None
    listing = root / "ImageSets" / "Segmentation" / "val.txt"
    for needed in (classes, listing):
        if not needed.exists():
            raise DatasetError(
                f"{root} looks like PASCAL VOC, but {needed.relative_to(root)} is missing: it is in "
                "VOCtrainval_11-May-2012.tar (host.robots.ox.ac.uk/pascal/VOC/voc2012)."
            )
    samples = []
    for stem in listing.read_text(encoding="utf-8").split():
        image, mask = images / f"{stem}.jpg", classes / f"{stem}.png"
        annotation = boxes / f"{stem}.xml" if boxes.is_dir() else None
        samples.append(Sample(image.name, image, mask, partial(voc_truth, mask, objects / mask.name, annotation)))
    boxed = "Annotations, difficult and truncated ones too" if boxes.is_dir() else "around the objects' masks"
    rule = f"any of the 20 classes; 255 is void and left out; boxes: {boxed}"
    return Dataset(root.name, "PASCAL VOC val", rule, by_id(samples), VOC_CLASSES)


def voc_truth(path: Path, objects: Path, annotation: Path | None = None) -> Truth:
    """Class map as stored: 0 background, 1..20 classes, 255 void. Raises ``DatasetError`` for other values."""
    values, _ = read_labels(path)
    present = [int(value) for value in np.unique(values) if value not in (0, VOID)]
    if present and present[-1] > len(VOC_CLASSES):
        raise DatasetError(f"{path} holds the value {present[-1]}: a VOC class mask has 0..20 and 255 only.")
    names = tuple(VOC_CLASSES[value - 1] for value in present)
    foreground = (values != 0) & (values != VOID)
    boxes = partial(voc_boxes, annotation) if annotation else None
    return Truth(
        foreground,
        lambda: by_value(read_labels(objects)[0]),
        values == VOID,
        names,
        boxes,
        class_map=values,
    )


def voc_boxes(path: Path) -> Boxes:
    """Boxes of all objects of an XML file. VOC counts pixels from 1 and includes the last: only x0, y0 lose one.

    Raises ``DatasetError`` for a file that is missing or broken.
    """
    try:
        corners = [
            [float(thing.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")]
            for thing in ET.parse(path).iter("object")  # noqa: S314 (expat itself stops entities that grow)
        ]
    except (OSError, ValueError, ET.ParseError) as error:
        raise DatasetError(f"{path} cannot be read as a VOC annotation ({error}): is it half a download?") from error
    return np.array(corners, np.float64).reshape(-1, 4) - (1, 1, 0, 0)


def by_value(values: NDArray[np.uint8]) -> list[Mask]:
    """One mask per object id; 0 and 255 are none."""
    return [values == value for value in np.unique(values) if value not in (0, VOID)]


# DAVIS.


def find_davis(root: Path) -> Dataset | None:
    """The val sequences of DAVIS at 480p; a folder is DAVIS's when it holds ``JPEGImages/480p``."""
    images, masks = root / "JPEGImages" / "480p", root / "Annotations" / "480p"
    if not images.is_dir():
        return None
    samples = []
    for sequence in davis_sequences(root):
        frames = {path.stem for folder in (images, masks) for path in (folder / sequence).glob("[!.]*.*")}
        for stem in frames or {"00000"}:
            image, mask = images / sequence / f"{stem}.jpg", masks / sequence / f"{stem}.png"
            samples.append(Sample(f"{sequence}/{image.name}", image, mask, partial(davis_truth, mask), sequence))
    rule = "any id above 0, as in DAVIS 2016; no void"
    return Dataset(root.name, "DAVIS 480p val", rule, by_id(samples))


def davis_sequences(root: Path) -> list[str]:
    """Names in the val list: one a line (2016, 2017), or ``frame mask`` a line (480p)."""
    lists = [root / "ImageSets" / year / "val.txt" for year in ("2016", "480p", "2017")]
    for listing in lists:
        if listing.is_file():
            lines = listing.read_text(encoding="utf-8").splitlines()
            first = [Path(line.split()[0]) for line in lines if line.strip()]
            return sorted({path.parent.name or path.name for path in first})
    looked = ", ".join(str(path.relative_to(root)) for path in lists)
    raise DatasetError(
        f"{root} looks like DAVIS, but its list of val sequences is missing (looked for {looked}): it is in "
        "DAVIS-2017-trainval-480p.zip (davischallenge.org)."
    )


def davis_truth(path: Path) -> Truth:
    """Every id above 0; the value 255 of DAVIS 2016 is its one object."""
    values, mode = read_labels(path)
    numbers = (values == VOID).astype(np.uint8) if mode != "P" and values.max() == VOID else values
    return Truth(values > 0, lambda: [values == value for value in np.unique(values) if value], numbers=numbers)
