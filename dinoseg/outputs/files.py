"""Where files of a result folder lie, and how they are written without leaving it."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from dinoseg.atomic import atomic_write
from dinoseg.errors import OutputConflict

NAME_BYTES = 255
"""What file systems allow for one name."""
UNSAFE = re.compile(r"^\.{0,2}$|^[A-Za-z]:|[\\\0]")
"""Parts of an id that would lead out of the folder, here or on Windows: empty, dots, a drive, a backslash."""


def relative_path(folder: str, id_: str, suffix: str, *, marked: bool = False) -> str:
    """``folder/<id><suffix>``: the id's tree and extension are kept.

    A part that is too long for a name or would leave the folder is shortened and marked with a hash, and so is every
    part of a ``marked`` path.
    """
    *parents, name = id_.split("/")
    named = mark if marked else safe_part
    folders = [named(part, NAME_BYTES) for part in parents]
    return "/".join([folder, *folders, named(name, NAME_BYTES - len(suffix)) + suffix])


def safe_part(part: str, room: int) -> str:
    """One part of an id as a name of at most ``room`` bytes."""
    return mark(part, room) if UNSAFE.search(part) or len(os.fsencode(part)) > room else part


def mark(part: str, room: int) -> str:
    """As much of the part as can be kept, and a hash of the whole."""
    ending = "~" + hashlib.sha256(os.fsencode(part)).hexdigest()[:12]
    kept = re.sub(r"[\\:\0]", "_", part)
    while len(os.fsencode(kept)) > room - len(ending):
        kept = kept[:-1]
    return kept + ending


class Spellings:
    """How the files of some folders are written, letter by letter: a system may find them in other letters too.

    Each folder is listed once, and again only for a name that was not in it then.
    """

    def __init__(self) -> None:
        self.owners: dict[str, str] = {}
        """Ids by the paths of files that are named by a stem: two photographs may share one."""
        self._names: dict[Path, set[str]] = {}

    def hold(self, root: Path, relative: str) -> bool:
        """Whether an existing path below ``root`` is written in its folders as it is here."""
        folder = root
        for part in relative.split("/"):
            if part not in self._names.get(folder, ()):
                self._names[folder] = {path.name for path in folder.iterdir()}
                if part not in self._names[folder]:
                    return False
            folder = folder / part
        return True


def free_path(root: Path, folder: str, id_: str, suffix: str, spellings: Spellings, *, stem: bool = False) -> str:
    """The path of a new file: a marked one where the plain one is taken.

    By another id's file, where case does not count; or by a folder where the file belongs or a file where a folder
    does: ``a.jpg`` beside ``a.jpg.png/b.jpg``.

    With ``stem`` it is named by the id's stem where that is no other's: ``a.png`` of ``a.jpg``, ``a.png.png`` of
    ``a.png`` after it. The new file is added to the ``owners``.
    """
    for name in [posixpath.splitext(id_)[0], id_] if stem else [id_]:
        relative = relative_path(folder, name, suffix)
        if is_free(root, relative, spellings) and (not stem or spellings.owners.setdefault(relative, id_) == id_):
            return relative
    return relative_path(folder, id_, suffix, marked=True)


def is_free(root: Path, relative: str, spellings: Spellings) -> bool:
    """Whether a file may be written there: no other one in letters of another case, no folder in its place."""
    path = root / relative
    above = path.parents[: relative.count("/")]
    if path.is_dir() or any(parent.is_file() for parent in above):
        return False
    return not path.exists() or spellings.hold(root, relative)


def is_place(folder: str, relative: object) -> bool:
    """Whether that may be the path of a file in this folder of results, as ``relative_path`` makes them."""
    if not isinstance(relative, str):
        return False
    first, *parts = relative.split("/")
    try:
        named = all(not UNSAFE.search(part) and len(os.fsencode(part)) <= NAME_BYTES for part in parts)
    except UnicodeEncodeError:  # letters that no name has
        return False
    return first == folder and bool(parts) and named


def existing(root: Path, relative: str | None) -> Path | None:
    """The file that a manifest names, or None when it is missing, a link or not below ``root`` (a real path)."""
    if not isinstance(relative, str):
        return None
    path = root / relative
    below = "\0" not in relative and path.is_relative_to(root) and os.path.realpath(path) == str(path)
    return path if below and os.path.isfile(path) else None  # noqa: PTH113 (says so too where the name is too long)


def write_under(root: Path, relative: str, chunks: Iterable[bytes]) -> Path:
    """Write a file below ``root`` (a real path), whole or not at all; its folders are created.

    Raises ``OutputConflict`` when a folder on the way is a symbolic link, and ``OSError`` with the file's name.
    """
    path = root / relative
    if not path.is_relative_to(root) or os.path.realpath(path.parent) != str(path.parent):
        raise OutputConflict(f"{path} leads out of {root}, perhaps through a symbolic link; remove the link.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        for chunk in chunks:
            file.write(chunk)
    return path


def remove_files(root: Path, files: Iterable[str | None]) -> None:
    """Remove files that a manifest names, and the folders that this leaves empty; anything else stays."""
    for relative in files:
        path = existing(root, relative)
        if path is None:
            continue
        path.unlink()
        for parent in path.parents:
            if parent == root:
                break
            try:
                parent.rmdir()
            except OSError:  # it holds something else
                break
