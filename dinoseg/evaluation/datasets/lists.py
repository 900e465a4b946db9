"""Lists of pictures or videos, a name a line, as the makers of data sets write them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from dinoseg.errors import DatasetError
from dinoseg.images.text import alike, lines_of, spellings

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"))
FLAGGED = re.compile(r"(?P<name>.*\S)\s+(?P<flag>-1|0|1)\s*")
"""``name  1``: VOC's lists of one class, in which -1 says that it is not in the picture."""
BESIDE = re.compile(rf"(?P<name>.*?(?:{'|'.join(map(re.escape, sorted(SUFFIXES)))})[\"']?)\s+\S.*", re.IGNORECASE)
"""``picture.jpg mask.png``, or a class behind the picture."""
Meaning: TypeAlias = Callable[[str], "str | None"]
"""What a name in a list means; none where it means nothing, or several things."""


class Names:
    """What a list may call each of some pictures: its id, with or without folders, with or without extension."""

    def __init__(self, ids: Iterable[str]) -> None:
        self.levels: tuple[dict[str, set[str]], ...] = tuple(defaultdict(set) for _ in range(4))
        for id_ in ids:
            for level, name in zip(self.levels, name_levels(id_), strict=True):
                level[name].add(id_)

    def __call__(self, name: str) -> str | None:
        """The id that is meant, the nearest to what is written first."""
        for spelling in spellings(name):
            for level, key in zip(self.levels, name_levels(spelling), strict=True):
                if len(ids := level.get(key, ())) == 1:
                    return next(iter(ids))
        return None


def name_levels(id_: str) -> tuple[str, str, str, str]:
    """A path, the same without extension, the file's name, and this without extension."""
    path, bare = PurePosixPath(id_), PurePosixPath(without_suffix(id_))
    return path.as_posix(), bare.as_posix(), path.name, bare.name


def without_suffix(name: str) -> str:
    """The name without the extension of a picture; ``frame.0001`` has none."""
    path = PurePosixPath(name)
    return path.with_suffix("").as_posix() if path.suffix.lower() in SUFFIXES else name


def names_in(listing: Path, meaning: Meaning) -> dict[str, str | None]:
    """The names in a list, each once and in order, and what they mean.

    A line is a name, spaces and all; only where it means nothing, what may stand behind a name is taken off it (VOC's
    flags, a second file). Raises ``DatasetError`` for a name that leaves the data set's folder, and for a list that
    cannot be read.
    """
    try:
        lines = [line for _, line in lines_of(listing)]
    except OSError as error:
        raise DatasetError(f"{listing} cannot be read ({error.strerror}).") from error
    names: dict[str, str | None] = {}
    for line in lines:
        if ".." in PurePosixPath(line.strip().replace("\\", "/")).parts:
            raise DatasetError(f"{listing} names {line.strip()}, which is outside of the data set.")
        if meant := meaning(line):
            names[line] = meant
            continue
        flagged = FLAGGED.fullmatch(line)
        if flagged and flagged["flag"] == "-1":
            continue
        more = flagged or BESIDE.fullmatch(line)
        name = (more["name"] if more else line).strip().lstrip("/")
        names[name] = meaning(name)
    return names


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


def by_stem(folder: Path, pattern: str = "**/*") -> dict[str, Path]:
    """Image files below a folder by relative path without extension, as ``alike`` spells it.

    Raises ``DatasetError`` where two share one.
    """
    files: dict[str, Path] = {}
    for path in folder.glob(pattern):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            stem = alike(path.relative_to(folder).with_suffix("").as_posix())
            if stem in files:
                raise DatasetError(f"{files[stem]} and {path} share a name: which one is meant? Move one away.")
            files[stem] = path
    return files
