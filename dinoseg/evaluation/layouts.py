"""Folder layouts: image + mask folders, PASCAL VOC, DAVIS."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import DatasetError
from dinoseg.evaluation.metrics import Boxes, Mask
from dinoseg.evaluation.samples import Dataset, Sample, Truth, by_id, names_in
from dinoseg.images.labels import VOID, read_labels

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"))
IMAGE_WORDS = re.compile(r"im(age|g)|jpe?g|photo|picture", re.IGNORECASE)
MASK_WORDS = re.compile(r"mask|gt|ground.?truth|annotation|label", re.IGNORECASE)
VOC_TARS = {"2007": "VOCtrainval_06-Nov-2007.tar or VOCtest_06-Nov-2007.tar", "2012": "VOCtrainval_11-May-2012.tar"}
DAVIS_SOURCE = "DAVIS-2017-trainval-480p.zip (davischallenge.org), unpacked to DAVIS"
DAVIS_SETS = ("2016/val", "480p/val", "2017/val")
BOXED = "boxes: Annotations, difficult and truncated ones too"
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


# A folder of pictures beside a folder of masks: DUTS, ECSSD, DUT-OMRON, your own.


def find_pairs(root: Path, image_set: str | None = None) -> Dataset | None:
    """The one folder whose name says masks, beside the one whose name says images."""
    folders = [path for path in sorted(root.iterdir()) if path.is_dir()] if root.is_dir() else []
    masks = [path for path in folders if MASK_WORDS.search(path.name)]
    images = [path for path in folders if IMAGE_WORDS.search(path.name) and path not in masks]
    return pairs(images[0], masks[0], image_set) if len(images) == len(masks) == 1 else None


def pairs(images: Path, masks: Path, image_set: str | None = None) -> Dataset:
    """Pictures and masks that share a path but for the extension."""
    photos, truths = by_stem(images), by_stem(masks)
    samples = []
    for stem in photos.keys() | truths.keys():
        image, mask = photos.get(stem, images / f"{stem}.jpg"), truths.get(stem, masks / f"{stem}.png")
        samples.append(Sample(image.relative_to(images).as_posix(), image, mask, partial(grey_truth, mask)))
    rule = "grey level above 127 (above 0 in a 0/1 mask), any palette index but 0; no void"
    name = images.parent.name if images.parent == masks.parent else f"{images.name} + {masks.name}"
    return Dataset(name, "images + masks", rule, by_id(samples)).listed(image_set)


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


# PASCAL VOC 2007 and 2012.


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
    samples = by_id([sample(stem) for stem in dict.fromkeys(names_in(listing))])
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


def voc_sample(root: Path, stem: str) -> Sample:
    """A picture of the lists of ``Segmentation``; its boxes are those of ``Annotations``, where that folder is."""
    image, mask = root / "JPEGImages" / f"{stem}.jpg", root / "SegmentationClass" / f"{stem}.png"
    objects = root / "SegmentationObject" / mask.name
    annotation = root / "Annotations" / f"{stem}.xml" if (root / "Annotations").is_dir() else None
    also = (objects, annotation) if annotation else (objects,)
    return Sample(image.name, image, mask, partial(voc_truth, mask, objects, annotation), also=also)


def voc_boxed_sample(root: Path, stem: str) -> Sample:
    """A picture of the lists of ``Main``: boxes and no masks."""
    image, annotation = root / "JPEGImages" / f"{stem}.jpg", root / "Annotations" / f"{stem}.xml"
    return Sample(image.name, image, annotation, partial(voc_boxed_truth, annotation))


def voc_truth(path: Path, objects: Path, annotation: Path | None = None) -> Truth:
    """Class map as stored: 0 background, 1..20 classes, 255 void. Raises ``DatasetError`` for other values."""
    values, _ = read_labels(path)
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
    return by_value(read_labels(path)[0])


def voc_boxed_truth(path: Path) -> Truth:
    """What an XML file alone says; objects are the insides of the boxes."""
    annotation = voc_annotation(path)
    filled = [inside(box, annotation.size) for box in annotation.boxes]
    foreground = np.any([np.zeros(annotation.size, bool), *filled], axis=0)  # (H, W)
    return Truth(
        foreground, lambda: filled, classes=annotation.classes, boxes=lambda: annotation.boxes, only_boxes=True
    )


class Annotation(NamedTuple):
    """What is used of a VOC annotation."""

    size: tuple[int, int]
    """``(H, W)`` px of the picture; zeros where the file does not say."""
    boxes: Boxes
    classes: tuple[str, ...]


def voc_annotation(path: Path) -> Annotation:
    """All objects of an XML file. VOC counts pixels from 1 and includes the last: only x0, y0 lose one.

    Raises ``DatasetError`` for a file that is missing or broken.
    """
    try:
        tree = ET.parse(path)  # noqa: S314 (expat itself stops entities that grow)
        height, width = (int(tree.findtext(f"size/{side}", "0")) for side in ("height", "width"))
        things = list(tree.iter("object"))
        corners = [
            [float(thing.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")]
            for thing in things
        ]
    except (OSError, ValueError, ET.ParseError) as error:
        raise DatasetError(f"{path} cannot be read as a VOC annotation ({error}): is it half a download?") from error
    classes = {thing.findtext("name", "") for thing in things}
    boxes = np.array(corners, np.float64).reshape(-1, 4) - (1, 1, 0, 0)
    return Annotation((height, width), boxes, tuple(name for name in VOC_CLASSES if name in classes))


def inside(box: NDArray[np.float64], size: tuple[int, int]) -> Mask:
    """The pixels of a box ``(4,)``, ``(H, W)``."""
    x0, y0, x1, y1 = np.round(box).astype(int).clip(0)
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def by_value(values: NDArray[np.uint8]) -> list[Mask]:
    """One mask per object id; 0 and 255 are none."""
    return [values == value for value in np.unique(values) if value not in (0, VOID)]


# DAVIS 2016 and 2017.


def find_davis(root: Path, image_set: str | None = None, masks: Path | None = None) -> Dataset | None:
    """The sequences of one of DAVIS's lists at 480p; a folder is DAVIS's when it holds ``JPEGImages/480p``.

    ``masks``: the folder with a folder of masks per sequence, where it is not the usual one.
    """
    images, masks = root / "JPEGImages" / "480p", masks or davis_annotations(root)
    if not images.is_dir():
        return None
    listing = set_file(root, image_set or davis_default(root), DAVIS_SOURCE)
    samples = []
    for sequence in sequences_in(listing):
        frames = {path.stem for folder in (images, masks) for path in (folder / sequence).glob("[!.]*.*")}
        for stem in frames or {"00000"}:
            image, mask = images / sequence / f"{stem}.jpg", masks / sequence / f"{stem}.png"
            samples.append(Sample(f"{sequence}/{image.name}", image, mask, partial(davis_truth, mask), sequence))
    rule = f"any id above 0 in {masks.parent.name}, as in DAVIS 2016; 255 is void in a palette mask"
    return Dataset(root.name, f"DAVIS 480p, {set_name(listing)}", rule, by_id(samples), source=DAVIS_SOURCE)


def davis_annotations(root: Path) -> Path:
    """Where the masks lie: those of the unsupervised challenge of 2017 come in a folder of their own."""
    usual, unsupervised = (root / name / "480p" for name in ("Annotations", "Annotations_unsupervised"))
    return unsupervised if unsupervised.is_dir() and not usual.is_dir() else usual


def davis_default(root: Path) -> str:
    """The val list of the folder. Raises ``DatasetError`` where there are several that differ."""
    found = [name for name in DAVIS_SETS if (root / "ImageSets" / f"{name}.txt").is_file()]
    listed = {name: sequences_in(set_file(root, name, DAVIS_SOURCE)) for name in found}
    if any(sequences != listed[found[0]] for sequences in listed.values()):
        counts = ", ".join(f"{name} with {len(sequences)} sequences" for name, sequences in listed.items())
        raise DatasetError(f"{root} has lists that differ ({counts}): say which with --image-set {found[-1]}.")
    return found[0] if found else DAVIS_SETS[-1]


def sequences_in(listing: Path) -> list[str]:
    """Names of sequences: one a line (2016, 2017), or ``frame mask`` a line (480p)."""
    return sorted({Path(name).parent.name or name for name in names_in(listing)})


def davis_truth(path: Path) -> Truth:
    """Every id above 0; 255 is the one object of DAVIS 2016's grey masks, void in a palette picture."""
    values, mode = read_labels(path)
    numbers = (values == VOID).astype(np.uint8) if mode != "P" and values.max() == VOID else values
    void = numbers == VOID
    return Truth((numbers > 0) & ~void, lambda: by_value(numbers), void if void.any() else None, numbers=numbers)


# Lists.


def set_file(root: Path, name: str, source: str) -> Path:
    """The list of that name below ``ImageSets``, or a text file. Raises ``DatasetError`` that says which there are."""
    listing = root / "ImageSets" / f"{name}.txt"
    if listing.is_file():
        return listing
    if Path(name).is_file():
        return Path(name)
    lists = [path for path in sorted(root.glob("ImageSets/*/*.txt")) if "_" not in path.stem]  # VOC has 60 of classes
    there = [path.relative_to(root / "ImageSets").with_suffix("").as_posix() for path in lists]
    has = f" There are {', '.join(there)}." if there else ""
    raise DatasetError(missing_part(root, listing, source) + has)


def set_name(listing: Path) -> str:
    """What a report calls a list: ``Main/trainval``, or the name of a file of one's own."""
    folder = listing.parent
    return f"{folder.name}/{listing.stem}" if folder.parent.name == "ImageSets" else listing.name


def missing_part(root: Path, needed: Path, source: str) -> str:
    """What to fetch and where it must lie."""
    return f"{needed.relative_to(root)} is missing from {root}: it must lie there, and is in {source}."
