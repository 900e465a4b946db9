"""Folder layouts: image + mask folders, PASCAL VOC, DAVIS."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import DatasetError, ImageError
from dinoseg.evaluation.lists import SUFFIXES, Names, names_in, without_suffix
from dinoseg.evaluation.metrics import FAR, Boxes, Mask, beside, inside
from dinoseg.evaluation.samples import Dataset, Sample, Truth, by_id
from dinoseg.files import open_regular
from dinoseg.images.decode import as_source, decode
from dinoseg.images.labels import VOID, read_labels
from dinoseg.images.text import alike, spelled, spellings
from dinoseg.options import InputOptions

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
    rule = "grey above half of the brightest level, any number (of a palette, or grey below 255) but 0; no void"
    name = images.parent.name if images.parent == masks.parent else f"{images.name} + {masks.name}"
    return Dataset(name, "images + masks", rule, by_id(samples)).listed(image_set)


def by_stem(folder: Path, pattern: str = "**/*") -> dict[str, Path]:
    """Image files below a folder by relative path without extension, as ``alike`` spells it.

    Raises ``DatasetError`` where two share one.
    """
    found: dict[str, Path] = {}
    for path in folder.glob(pattern):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            stem = alike(path.relative_to(folder).with_suffix("").as_posix())
            if stem in found:
                raise DatasetError(f"{found[stem]} and {path} share a name: which one is meant? Move one away.")
            found[stem] = path
    return found


def grey_truth(path: Path) -> Truth:
    """See the rule in ``pairs``; the foreground is the only object."""
    foreground = read_labels(path).objects() > 0
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
    known = Names(path.relative_to(images).as_posix() for path in by_stem(images).values())
    named = {meant or f"{without_suffix(name)}.jpg" for name, meant in names_in(listing, known).items()}
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
    size = annotation.size or size_of(image)
    filled = [inside(box, size) for box in annotation.boxes]
    foreground = np.any([np.zeros(size, bool), *filled], axis=0)  # (H, W)
    return Truth(
        foreground, lambda: filled, classes=annotation.classes, boxes=lambda: annotation.boxes, only_boxes=True
    )


class Annotation(NamedTuple):
    """What is used of a VOC annotation."""

    size: tuple[int, int] | None
    """``(H, W)`` px of the picture; none where the file does not say."""
    boxes: Boxes
    classes: tuple[str, ...]


def voc_annotation(path: Path) -> Annotation:
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
    if height * width > InputOptions.max_pixels:
        raise DatasetError(f"{path} says {width} x {height} px: more than any picture that is read.")
    classes = {thing.findtext("name", "") for thing in things}
    size = (height, width) if height and width else None
    if size and any(beside(box, size) for box in boxes):
        raise DatasetError(f"{path} has a box beside its picture of {width} x {height} px.")
    return Annotation(size, boxes, tuple(name for name in VOC_CLASSES if name in classes))


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


def size_of(image: Path) -> tuple[int, int]:
    """``(H, W)`` of a picture, upright. Raises ``DatasetError`` for one that cannot be read."""
    try:
        return decode(as_source(image), reduce_to=1).size
    except ImageError as error:
        raise DatasetError(f"its annotation says no size, and {error}") from error


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
    for sequence in sequences_in(listing, images):
        photos, truths = by_stem(images / sequence, "*"), by_stem(masks / sequence, "*.png")
        for stem in photos.keys() | truths.keys() or {"00000"}:
            image = photos.get(stem, images / sequence / f"{stem}.jpg")
            mask = truths.get(stem, masks / sequence / f"{stem}.png")
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
    listed = {name: sequences_in(set_file(root, name, DAVIS_SOURCE), root / "JPEGImages" / "480p") for name in found}
    if any(sequences != listed[found[0]] for sequences in listed.values()):
        counts = ", ".join(f"{name} with {len(sequences)} sequences" for name, sequences in listed.items())
        raise DatasetError(f"{root} has lists that differ ({counts}): say which with --image-set {found[-1]}.")
    return found[0] if found else DAVIS_SETS[-1]


def sequences_in(listing: Path, images: Path) -> list[str]:
    """Names of sequences: one a line (2016, 2017), or ``frame mask`` a line (480p).

    A name that is no folder of ``images`` stays as it is written.
    """
    there = {path.name for path in images.iterdir()}

    def known(name: str) -> str | None:
        called = (each for spelling in spellings(name) for each in (spelling, Path(spelling).parent.name))
        return next((each for each in called if each in there), None)

    return sorted({meant or Path(name).parent.name or name for name, meant in names_in(listing, known).items()})


def davis_truth(path: Path) -> Truth:
    """Every id above 0; 255 is the one object of DAVIS 2016's grey masks, void in a palette picture."""
    numbers = read_labels(path).objects()
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
    if Path(name).suffix == ".txt":
        raise DatasetError(f"--image-set {name} is not there: name a text file, or a list of {root}.{has}")
    raise DatasetError(missing_part(root, listing, source) + has)


def set_name(listing: Path) -> str:
    """What a report calls a list: ``Main/trainval``, or the name of a file of one's own."""
    folder = listing.parent
    return f"{folder.name}/{listing.stem}" if folder.parent.name == "ImageSets" else listing.name


def missing_part(root: Path, needed: Path, source: str) -> str:
    """What to fetch and where it must lie."""
    return f"{needed.relative_to(root)} is missing from {root}: it must lie there, and is in {source}."
