"""A labelled folder: the first folder on a picture's way is its class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import DatasetError
from dinoseg.images.find import find
from dinoseg.types import Failure, Source

TRAIN = ("train", "training")
TEST = ("val", "valid", "validation", "test")
"""Folders of the two parts, in the order in which they are looked for."""
LAYOUTS = """It needs one of:
  CLASS/*.jpg: one folder of pictures per class, at least two
  train/CLASS/*.jpg and val/CLASS/*.jpg (or valid, validation, test): the same classes in both"""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Pictures with a class each."""

    sources: tuple[Source, ...]
    labels: NDArray[np.int64]
    """``(n,)`` positions in the folder's ``classes``."""

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> Part:
        """The pictures at these positions."""
        chosen = np.asarray(positions, np.int64)
        return Part(tuple(self.sources[position] for position in chosen), self.labels[chosen])

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFolder:
    """All pictures of a folder whose sub-folders are classes."""

    name: str
    layout: str
    classes: tuple[str, ...]
    """Sorted names."""
    train: Part
    """The only part where the folder is not divided."""
    test: Part | None
    failed: tuple[Failure, ...]
    """What could not be listed, and pictures that lie in no class."""


def open_labelled(root: str | Path) -> LabelledFolder:
    """List a folder of classes, or of ``train`` and ``val`` with classes in each; nothing is decoded.

    Ids are paths below ``root``. Raises ``DatasetError`` that says what must lie where: for fewer than two classes, and
    for a class that has no picture to learn from.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder. {LAYOUTS}")
    places = [next((root / name for name in names if (root / name).is_dir()), root) for names in (TRAIN, TEST)]
    divided = root not in places
    listed = [pictures(place, root) for place in (places if divided else [root])]
    named = [[(source, name) for source, name in part if name] for part in listed]
    failed = tuple(item for part in listed for item, _ in part if isinstance(item, Failure))
    classes = tuple(sorted({name for _, name in named[0]}))
    check_classes(root, classes, {name for _, name in named[-1]})
    parts = [labelled(part, classes) for part in named]
    layout = f"{places[0].name}/CLASS and {places[1].name}/CLASS" if divided else "CLASS/*.jpg"
    return LabelledFolder(root.name, layout, classes, parts[0], parts[1] if divided else None, failed)


def pictures(place: Path, root: Path) -> list[tuple[Source | Failure, str]]:
    """Pictures below ``place``, ids beginning at ``root``, with their classes; failures have none."""
    begin = "" if place == root else f"{place.name}/"
    named: list[tuple[Source | Failure, str]] = []
    for item in find([place]):
        name, inside, _ = item.id.partition("/")
        item = replace(item, id=begin + item.id)
        if isinstance(item, Source) and not inside:
            item = Failure(item.id, DatasetError(f"{item.id}: lies in no folder of a class."), item)
        named.append((item, name if isinstance(item, Source) else ""))
    return named


def labelled(named: Sequence[tuple[Source | Failure, str]], classes: Sequence[str]) -> Part:
    """Sources with the numbers of their classes."""
    number = {name: index for index, name in enumerate(classes)}
    sources = tuple(source for source, _ in named if isinstance(source, Source))
    return Part(sources, np.array([number[name] for _, name in named], np.int64))


def check_classes(root: Path, classes: Sequence[str], tested: set[str]) -> None:
    """Raise ``DatasetError`` for fewer than two classes, or a tested class that is not among them."""
    if len(classes) < 2:
        raise DatasetError(f"{root} holds pictures of {len(classes)} classes. {LAYOUTS}")
    unknown = sorted(tested - set(classes))
    if unknown or not tested:
        what = f"no pictures to learn {', '.join(unknown[:5])} from" if unknown else "no pictures to test"
        raise DatasetError(f"{root} has {what}. {LAYOUTS}")
