"""Entries of COCO's json, each checked before it is believed: what is broken is named, and takes no memory."""

from __future__ import annotations

import os
import reprlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeGuard

from dinoseg.errors import DatasetError
from dinoseg.evaluation.metrics.boxes import FAR, inside
from dinoseg.evaluation.metrics.masks import Mask
from dinoseg.images.text import read_json
from dinoseg.options import MAX_PIXELS
from dinoseg.rle import decode_segmentation

Id: TypeAlias = "int | float | str"
Box: TypeAlias = tuple[float, float, float, float]
"""``x0, y0, x1, y1`` px, half open."""


def load_json(path: Path) -> Any:
    """What is in the file. Raises ``DatasetError`` for one that cannot be read."""
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as json ({error}): it may be half a download.") from error


def entries(path: Path, content: Any, part: str) -> list[dict[str, Any]]:
    """One of the lists of the file. Raises ``DatasetError`` where it is no list of objects."""
    listed = content.get(part) if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise DatasetError(f"{path} has no list {part!r}: is it a COCO instances file?")
    return check_entries(path, listed, part)


def check_entries(path: Path, listed: list[Any], part: str) -> list[dict[str, Any]]:
    """The list itself. Raises ``DatasetError`` for an element that is no object."""
    for index, entry in enumerate(listed):
        if not isinstance(entry, dict):
            raise DatasetError(f"{path}: {part}[{index}] is {reprlib.repr(entry)}, no object with names and values.")
    return listed


def wrong_value(entry: dict[str, Any], key: str) -> str:
    """How a message says what is wrong with a value."""
    return f"has the {key} {reprlib.repr(entry[key])}" if key in entry else f"has no {key}"


def is_whole(value: object) -> TypeGuard[int | float]:
    """Whether it is a whole number; 7.0 is one, true is none."""
    return type(value) is int or (isinstance(value, float) and value.is_integer())


def id_of(entry: dict[str, Any], key: str, where: str) -> Id:
    """What tells pictures or categories apart. Raises ``DatasetError`` for what is neither number nor text."""
    value = entry.get(key)
    if is_whole(value) or (isinstance(value, str) and value):
        return value
    raise DatasetError(f"{where} {wrong_value(entry, key)}: an id is a whole number, or text.")


def name_of(entry: dict[str, Any]) -> str | None:
    """The ``file_name`` of a picture; none where it is no name that a file can have."""
    name = entry.get("file_name")
    return name if isinstance(name, str) and name and "\0" not in name and can_be_encoded(name) else None


def can_be_encoded(name: str) -> bool:
    """Whether the system can look for such a name: half a character (``\\ud800``) is none."""
    try:
        return bool(os.fsencode(name))
    except UnicodeEncodeError:
        return False


def picture_size(entry: dict[str, Any]) -> tuple[int, int] | None:
    """``(H, W)`` of a picture; none for what is no size of a picture that is read."""
    sides = [entry.get(side) for side in ("height", "width")]
    height, width = (int(side) if is_whole(side) else 0 for side in sides)
    fine = 0 < height <= FAR and 0 < width <= FAR and height * width <= MAX_PIXELS
    return (height, width) if fine else None


class CocoAnnotation(NamedTuple):
    """One object: an annotation of a data set, or a result."""

    place: str
    """``annotations[3]``."""
    picture: str
    """What messages call its picture."""
    path: Path
    content: dict[str, Any]

    @property
    def where(self) -> str:
        """How a message calls it: by its id, if it has one."""
        number = self.content.get("id")
        name = self.place if number is None else f"annotation {reprlib.repr(number)}"
        return f"{self.path}: {name} of {self.picture}"

    @property
    def masked(self) -> bool:
        """Whether it has a segmentation."""
        return bool(self.content.get("segmentation"))

    @property
    def boxed(self) -> bool:
        """Whether it has a bbox."""
        return "bbox" in self.content

    @property
    def crowd(self) -> bool:
        """Whether it is a region of objects that were not told apart. Raises ``DatasetError``."""
        if self.content.get("iscrowd") in (0, 1, None):
            return bool(self.content.get("iscrowd"))
        raise DatasetError(f"{self.where} {wrong_value(self.content, 'iscrowd')}: 0 or 1 is needed.")

    @property
    def category(self) -> Id | None:
        """Id of its class, if it says one. Raises ``DatasetError``."""
        return None if self.content.get("category_id") is None else id_of(self.content, "category_id", self.where)

    @property
    def score(self) -> float:
        """How sure a result is, 1 where it does not say. Raises ``DatasetError``."""
        score = number_of(self.content.get("score", 1))
        if score is None:
            raise DatasetError(f"{self.where} {wrong_value(self.content, 'score')}: a finite number is needed.")
        return score

    @property
    def box(self) -> Box:
        """``x0, y0, x1, y1`` of COCO's ``x, y, width, height``. Raises ``DatasetError``."""
        given = self.content.get("bbox")
        sides = [number_of(side) for side in given] if isinstance(given, list) else []
        valid = [side for side in sides if side is not None and abs(side) <= FAR]
        if len(sides) != 4 or len(valid) != 4 or min(valid[2:]) < 0:
            given = wrong_value(self.content, "bbox")
            raise DatasetError(f"{self.where} {given}: x, y, width and height in px are needed.")
        x, y, width, height = valid
        return x, y, x + width, y + height

    def mask(self, size: tuple[int, int]) -> Mask:
        """``(H, W)`` mask of polygons or run lengths. Raises ``DatasetError`` for what is neither."""
        if not self.masked:
            raise DatasetError(f"{self.where} has no segmentation.")
        try:
            return decode_segmentation(self.content["segmentation"], size)
        except Exception as error:  # pycocotools raises the bare class
            raise DatasetError(f"{self.where} has a broken segmentation ({error}).") from error

    def region(self, size: tuple[int, int]) -> Mask:
        """Its mask ``(H, W)``; the inside of its box, where it has none. Raises ``DatasetError``."""
        if self.masked or not self.boxed:
            return self.mask(size)
        return inside(self.box, size)


def number_of(value: object) -> float | None:
    """A finite number, also as text; None for anything else."""
    if not isinstance(value, int | float | str):
        return None
    try:
        return number if isfinite(number := float(value)) else None
    except (ValueError, OverflowError):
        return None


def by_picture(
    path: Path, annotations: Sequence[dict[str, Any]], part: str, names: Mapping[Id, str] | None = None
) -> dict[Id, list[CocoAnnotation]]:
    """Annotations or results by the id of their picture; ``names`` of pictures are for messages.

    Raises ``DatasetError`` for one without such an id.
    """
    names = names or {}
    pictures: dict[Id, list[CocoAnnotation]] = defaultdict(list)
    for index, entry in enumerate(annotations):
        place = f"{part}[{index}]"
        id_ = id_of(entry, "image_id", f"{path}: {place}")
        pictures[id_].append(CocoAnnotation(place, names.get(id_, f"picture {id_}"), path, entry))
    return pictures


def refuse_unlisted(
    path: Path, pictures: Mapping[Id, Sequence[CocoAnnotation]], listed: Collection[Id], lister: str, step: str = ""
) -> None:
    """Raise ``DatasetError`` where some are of pictures that are not listed: they would count for none.

    ``step``: a sentence on what can be done.
    """
    foreign = [id_ for id_ in pictures if id_ not in listed]
    if not foreign:
        return
    count, total = sum(len(pictures[id_]) for id_ in foreign), sum(map(len, pictures.values()))
    texts = set(map(str, listed))
    alike = " Number and text are not the same id." if any(str(id_) in texts for id_ in foreign) else ""
    raise DatasetError(
        f"{path}: {count} of {total} objects are of pictures that {lister} does not list (image_id {first(foreign)}); "
        f"its {len(listed)} pictures have the ids {first(listed)}.{alike}{step}"
    )


def first(ids: Iterable[Id]) -> str:
    """Up to three ids, as json has them."""
    ids = list(ids)
    return ", ".join(map(reprlib.repr, ids[:3])) + (" ..." if len(ids) > 3 else "")
