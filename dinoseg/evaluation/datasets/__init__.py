"""Data sets with ground truth, one file for each layout; which of them lies in a folder is recognised.

A layout is one ``Layout`` in its file and its line in ``LAYOUTS``. Folders of classes are opened by ``labelled``.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dinoseg.errors import DatasetError
from dinoseg.images.find import expand

if TYPE_CHECKING:
    from dinoseg.evaluation.datasets.base import Dataset, Layout

Data: TypeAlias = "str | Path | tuple[str | Path, str | Path]"

LAYOUTS: dict[str, str] = {
    "COCO": "dinoseg.evaluation.datasets.coco:COCO",
    "DAVIS": "dinoseg.evaluation.datasets.davis:DAVIS",
    "VOC": "dinoseg.evaluation.datasets.voc:VOC",
    "pairs": "dinoseg.evaluation.datasets.pairs:PAIRS",
}
"""In the order in which they are tried."""


def layouts() -> list[Layout]:
    """The layouts that ``LAYOUTS`` names, loaded, in their order."""
    places = (place.partition(":") for place in LAYOUTS.values())
    return [getattr(import_module(module), attribute) for module, _, attribute in places]


def expected() -> str:
    """What must lie where, a line for each layout: for messages."""
    return "\n  ".join(["It needs one of:", *(layout.expected for layout in reversed(layouts()))])


def open_dataset(data: Data, image_set: str | None = None) -> Dataset:
    """Recognise a data set by its layout; a pair is a folder of pictures (or DAVIS) and a folder of masks.

    ``image_set`` is one of the lists in ``ImageSets`` (``Main/trainval``), or a text file with a name on each line.
    Raises ``DatasetError`` that says what must lie where.
    """
    if isinstance(data, tuple):
        images, masks = (existing_path(folder) for folder in data)
        opened = (layout.open_pair(images, masks, image_set) for layout in layouts())
        return with_truth(next(dataset for dataset in opened if dataset))  # any two folders are pairs
    root = existing_path(data)
    dataset = recognise(root, image_set)
    if dataset is None:
        raise DatasetError(f"{root} has no layout that dinoseg knows{nested(root)}. {expected()}")
    return with_truth(dataset)


def recognise(root: Path, image_set: str | None = None) -> Dataset | None:
    """The data set as the first layout has it that recognises the folder; None where none does."""
    return next((dataset for layout in layouts() if (dataset := layout.open(root, image_set))), None)


def nested(root: Path) -> str:
    """The folders one step below that have a layout, for people who name VOCdevkit or DUTS."""
    folders = [path for path in sorted(root.iterdir()) if path.is_dir()] if root.is_dir() else []
    names = [folder.name for folder in folders if has_layout(folder)]
    return f", but holds {' and '.join(names)}: name the one that is meant" if names else ""


def has_layout(folder: Path) -> bool:
    """Whether a layout recognises it, whole or not."""
    try:
        return recognise(folder) is not None
    except DatasetError:
        return True


def existing_path(place: str | Path) -> Path:
    """The path. Raises ``DatasetError`` when nothing is there."""
    path = Path(place).expanduser()
    if not path.exists():
        raise DatasetError(f"{path} is not there. {expected()}")
    return path


def with_truth(dataset: Dataset) -> Dataset:
    """The data set itself. Raises ``DatasetError`` when no picture of it has its truth."""
    if all(sample.missing for sample in dataset.samples):
        faulty = any(sample.fault for sample in dataset.samples)
        what = "can be scored" if faulty else "has both picture and mask"
        raise DatasetError(
            f"{dataset.name} looks like {dataset.layout}, but none of its {len(dataset.samples)} pictures {what}. "
            + dataset.gaps(dataset.samples)
            + ("" if faulty else f" {expected()}")
        )
    return dataset


def refuse_missing(data: Data, predictions: Path | None) -> None:
    """Raise ``InputNotFound`` for what is named and not there: told before anything that rests on it."""
    for place in data if isinstance(data, tuple) else (data,):
        expand(str(Path(place).expanduser()))
    if predictions:
        expand(str(predictions))
