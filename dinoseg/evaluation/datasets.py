"""Which data set lies in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from dinoseg.errors import DatasetError
from dinoseg.evaluation.coco import find_coco
from dinoseg.evaluation.layouts import find_davis, find_pairs, find_voc, pairs
from dinoseg.evaluation.samples import Dataset
from dinoseg.images.find import expand

Data: TypeAlias = "str | Path | tuple[str | Path, str | Path]"

FINDERS = (find_coco, find_davis, find_voc, find_pairs)
LAYOUTS = """It needs one of:
  images/ and masks/ (any two folders whose names say so): a mask has its picture's name; ECSSD, DUTS-TE, DUT-OMRON
  JPEGImages/, SegmentationClass/, Annotations/ and ImageSets/: PASCAL VOC, the folder VOCdevkit/VOC2007 or VOC2012
  JPEGImages/480p/, Annotations/480p/ and ImageSets/: DAVIS 2016 or 2017
  annotations/instances_val2017.json and val2017/: COCO (or give the json file itself)"""


def open_dataset(data: Data, image_set: str | None = None) -> Dataset:
    """Recognise a data set by its layout; a pair is a folder of pictures (or DAVIS) and a folder of masks.

    ``image_set`` is one of the lists in ``ImageSets`` (``Main/trainval``), or a text file with a name on each line.
    Raises ``DatasetError`` that says what must lie where.
    """
    if isinstance(data, tuple):
        images, masks = (existing(folder) for folder in data)
        return with_truth(find_davis(images, image_set, masks) or pairs(images, masks, image_set))
    root = existing(data)
    dataset = find(root, image_set)
    if dataset is None:
        raise DatasetError(f"{root} has no layout that dinoseg knows{nested(root)}. {LAYOUTS}")
    return with_truth(dataset)


def find(root: Path, image_set: str | None = None) -> Dataset | None:
    """What the first finder that knows the layout makes of it."""
    return next((found for finder in FINDERS if (found := finder(root, image_set))), None)


def nested(root: Path) -> str:
    """The folders one step below that have a layout, for people who name VOCdevkit or DUTS."""
    folders = [path for path in sorted(root.iterdir()) if path.is_dir()] if root.is_dir() else []
    known = [folder.name for folder in folders if has_layout(folder)]
    return f", but holds {' and '.join(known)}: name the one that is meant" if known else ""


def has_layout(folder: Path) -> bool:
    """Whether a finder knows it, whole or not."""
    try:
        return find(folder) is not None
    except DatasetError:
        return True


def existing(place: str | Path) -> Path:
    """The path. Raises ``DatasetError`` when nothing is there."""
    path = Path(place).expanduser()
    if not path.exists():
        raise DatasetError(f"{path} is not there. {LAYOUTS}")
    return path


def with_truth(dataset: Dataset) -> Dataset:
    """The data set itself. Raises ``DatasetError`` when no picture of it has its truth."""
    if all(sample.missing for sample in dataset.samples):
        faulty = any(sample.fault for sample in dataset.samples)
        what = "can be scored" if faulty else "has both picture and mask"
        raise DatasetError(
            f"{dataset.name} looks like {dataset.layout}, but none of its {len(dataset.samples)} pictures {what}. "
            + dataset.gaps(dataset.samples)
            + ("" if faulty else f" {LAYOUTS}")
        )
    return dataset


def refuse_missing(data: Data, predictions: Path | None) -> None:
    """Raise ``InputNotFound`` for what is named and not there: told before anything that rests on it."""
    for place in data if isinstance(data, tuple) else (data,):
        expand(str(Path(place).expanduser()))
    if predictions:
        expand(str(predictions))
