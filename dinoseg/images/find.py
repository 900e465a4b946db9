"""What was named -> the images to read, one after the other: files, folders, globs and list files.

Folders are read lazily and each is sorted, so that ids come in sorted order. Links to folders are not followed, and
whatever was named on its own is read at that place only: nothing comes twice, and no loop can catch us.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dinoseg.errors import (
    ImageError,
    ImageForbidden,
    ImageVanished,
    InputNotFound,
    OptionError,
    OutputConflict,
    OutsideRoot,
)
from dinoseg.files import EMPTY, absent, home_path
from dinoseg.images.formats import IMAGE_SUFFIXES
from dinoseg.images.ids import distinct, fold
from dinoseg.images.text import lines_of, spelled
from dinoseg.types import Failure, Source

Found: TypeAlias = Iterator[Source | Failure | None]
"""What looking through the inputs gives; ``None`` is a neighbour that is no image."""


class Listing:
    """``Source`` or ``Failure`` of each image, found while it is iterated, once."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.ignored = 0
        """Neighbours of the images that are no images, as far as iterated."""

    def __iter__(self) -> Iterator[Source | Failure]:
        for item in self.found:
            if item is None:
                self.ignored += 1
            else:
                yield item


def find(inputs: Sequence[str | Path], *, from_file: Path | None = None, exclude: Path | None = None) -> Listing:
    """List what ``inputs``, or instead of them the list ``from_file``, name; the folder ``exclude`` is left out.

    Ids are paths below the folder that was given, or names of files. With several inputs the ids of a folder begin
    with its name; where names clash, all ids begin at the folder that the inputs share. A glob is what the shell would
    make of it. In folders, images are told by their suffix; hidden files, pipes and devices are passed over.

    Raises ``InputNotFound`` for what is not there, ``OutputConflict`` if ``exclude`` is itself a folder to be read.
    What is found wrong later (a folder that may not be read, a missing line of a list) is a ``Failure`` in its place.
    """
    if from_file is not None:
        if inputs:
            raise OptionError("--from-file takes the place of IMAGES: leave one of them out.")
        if not (os.access(from_file, os.R_OK) and from_file.is_file()):
            raise InputNotFound(f"{from_file}: there is no list file that can be read.")
        return Listing(read_list(from_file))
    named = {real_path(path): path for name in inputs for path in expand(str(name))}
    if exclude is None:
        return Listing(walk_all(named, set(named)))
    output = real_path(exclude)
    if output in named and (len(named) == 1 or not holds_results(output)):
        raise OutputConflict(f"{exclude}: results would lie among the photographs; choose another output folder.")
    return Listing(walk_all({real: path for real, path in named.items() if real != output}, {*named, output}))


def only_one(inputs: Sequence[str | Path], from_file: Path | None = None) -> Path:
    """The one photograph that is named. Raises ``OptionError`` for none and for several, and what ``find`` raises."""
    named = list(find(inputs, from_file=from_file))
    if len(named) != 1:
        places = ", ".join(map(str, inputs)) or from_file
        raise OptionError(f"one photograph has to be named, and there are {len(named)} in {places}.")
    if isinstance(named[0], Failure):
        raise named[0].error
    return Path(str(named[0].content))


def holds_results(folder: Path) -> bool:
    """Whether a glob that caught the output folder may pass it over: a run's results lie there, or nothing."""
    return folder.is_dir() and ((folder / "run.json").is_file() or not any(folder.iterdir()))


def real_path(path: Path) -> Path:
    """Without links; unlike ``Path.resolve``, links in a loop raise nothing."""
    return Path(os.path.realpath(path))


def expand(name: str) -> list[Path]:
    """The path of that name, or what matches it as a glob (``**`` goes down). Raises ``InputNotFound``."""
    path = home_path(name)
    if name and os.path.lexists(path):
        return [path]
    parts = path.parts
    wild = next((index for index, part in enumerate(parts) if set(part) & set("*?[")), None)
    if wild is None:
        raise InputNotFound(f"{name or EMPTY}: {absent(name)}.")
    base = Path(*parts[:wild])
    try:
        matches = [path for path in base.glob("/".join(parts[wild:])) if not is_hidden(path.relative_to(base))]
    except ValueError as error:
        raise InputNotFound(f"{name}: {error}.") from error
    if not matches:
        raise InputNotFound(f"{name}: nothing matches.")
    return sorted(matches)


def is_hidden(path: Path) -> bool:
    """Whether a shell's ``*`` would pass it over."""
    return any(part.startswith(".") for part in path.parts)


def walk_all(named: dict[Path, Path], skip: set[Path]) -> Found:
    """All inputs (real path -> path as it was given); below folders without the real paths in ``skip``."""
    for (real, path), label in zip(named.items(), labels(named.values()), strict=True):
        if label and not label.endswith("/"):
            yield Source(label, path)
        else:
            yield from walk(Folder(real, label), skip)


def labels(named: Iterable[Path]) -> list[str]:
    """A file's id, or how the ids of a folder begin (``name/``; one folder alone: nothing)."""
    paths = [Path(os.path.normpath(path.absolute())) for path in named]
    if len(paths) == 1 and paths[0].is_dir():
        return [""]
    names = [path.name for path in paths]
    if len({fold(name) for name in names}) < len(names):
        shared = os.path.commonpath([path.parent for path in paths])
        names = [path.relative_to(shared).as_posix() for path in paths]
    ends = ["/" if path.is_dir() and name else "" for name, path in zip(names, paths, strict=True)]
    return list(distinct(name + end for name, end in zip(names, ends, strict=True)))


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on the way; ``id`` is how the ids of what is in it begin."""

    path: Path
    id: str


def walk(top: Folder, skip: set[Path]) -> Found:
    """Everything below a folder, depth first; only the folders on the way down are held."""
    levels = [children(top, skip)]
    while levels:
        for item in levels[-1]:
            if isinstance(item, Folder):
                levels.append(children(item, skip))
                break
            yield item
        else:
            levels.pop()


def children(folder: Folder, skip: set[Path]) -> Iterator[Folder | Source | Failure | None]:
    """What one folder holds, in the order of ids (``a.jpg`` before ``a/b.jpg``)."""
    try:
        with os.scandir(folder.path) as entries:
            names = [listed_name(entry) for entry in entries]
    except OSError as error:
        yield Failure(folder.id.rstrip("/") or folder.path.name, folder_error(folder.path, error))
        return
    yield from (None for name in names if not name)
    names = sorted(name for name in names if name)
    for name, shown in zip(names, distinct(names), strict=True):
        path = folder.path / name
        if path not in skip:
            yield Folder(path, folder.id + shown) if name.endswith("/") else Source(folder.id + shown, path)


def listed_name(entry: os.DirEntry[str]) -> str:
    """``name/`` of a folder, ``name`` of an image, nothing for what is neither (or hidden, or a linked folder).

    A link to a file that looks like an image is one, and so is one that leads nowhere: decoding says so. Pipes, devices
    and links to them are none.
    """
    if entry.name.startswith("."):
        return ""
    if entry.is_dir(follow_symlinks=False):
        return entry.name + "/"
    if not entry.name.lower().endswith(IMAGE_SUFFIXES):
        return ""
    file = leads_to_file(entry) if entry.is_symlink() else entry.is_file()
    return entry.name if file else ""


def leads_to_file(link: os.DirEntry[str]) -> bool:
    """Whether a link leads to a regular file, or nowhere."""
    try:
        return stat.S_ISREG(link.stat().st_mode)
    except OSError:
        return True


def folder_error(path: Path, error: OSError) -> ImageError:
    """Why a folder could not be listed."""
    if isinstance(error, PermissionError):
        return ImageForbidden(f"{path}: this folder may not be read; check its permissions.")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ImageVanished(f"{path}: this folder is not there any more.")
    return ImageError(f"{path}: this folder cannot be read ({error.strerror}).")


def read_list(path: Path) -> Found:
    """The lines of a list file: paths relative to its folder, blank lines left out, each file once."""
    seen: set[str] = set()
    for number, line in lines_of(path):
        found = listed(path, number, line)
        if found.id not in seen:
            yield found
        seen.add(found.id)


def listed(list_file: Path, number: int, name: str) -> Source | Failure:
    """One line of a list. With links resolved, it must lie below the list's folder: a list may come from anywhere."""
    where = f"{name} (line {number} of {list_file.name})"
    path = spelled(list_file.parent, name)
    root = real_path(list_file.parent)
    if not real_path(path).is_relative_to(root) or not (folder := real_path(path.parent)).is_relative_to(root):
        return Failure(name, OutsideRoot(f"{where}: leaves the list's folder; put the list above its photographs."))
    if not os.path.lexists(path):
        return Failure(name, InputNotFound(f"{where}: there is no such file."))
    return Source((folder / path.name).relative_to(root).as_posix(), path)
