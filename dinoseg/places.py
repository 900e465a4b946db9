"""Where results may go. What is asked here is asked before anything is loaded or computed for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from dinoseg.atomic import locked, refuse_special
from dinoseg.errors import OutputConflict

FILE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif", ".svg", ".pdf"),
        *(".mp4", ".webm", ".mkv", ".mov", ".avi", ".zip", ".txt", ".md", ".html", ".csv", ".json", ".jsonl"),
        *(".npy", ".npz", ".pt", ".pth", ".safetensors"),
    )
)
"""Endings that nobody gives to a folder on purpose."""


def check_folder(folder: Path) -> None:
    """Raise ``OutputConflict`` unless that is, or can become, a folder in which files can be made; leaves nothing."""
    if folder.exists() and not folder.is_dir():
        raise OutputConflict(f"{folder} is a file, and results need a folder: name another folder.")
    if folder.suffix.lower() in FILE_SUFFIXES and not folder.is_dir():
        raise OutputConflict(f"{folder} is a file's name, and results need a folder: for instance {folder.stem}.")
    with refusing(folder):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with TemporaryFile(dir=there):
            pass


def check_file(path: Path, *, replace: bool, example: str = "new.safetensors") -> None:
    """Raise ``OutputConflict`` unless a file can be made there: an older one may be lost only with ``replace``."""
    if path.is_dir():
        raise OutputConflict(f"{path} is a folder, and the result is a file: for instance {path / example}.")
    refuse_special(path)
    if path.exists() and not replace:
        raise OutputConflict(f"{path} exists: pass --overwrite to replace it or name another file.")
    with refusing(path.parent):
        there = next(place for place in path.absolute().parents if place.exists())
        with TemporaryFile(dir=there):
            pass


@contextmanager
def claimed(folder: Path, *, deep: bool = True) -> Iterator[Path]:
    """Make a folder and hold its lock for the length of a block, see ``locked``; gives its real path.

    Raises ``OutputConflict`` where it cannot be made or another run has it.
    """
    with ExitStack() as stack:
        with refusing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            root = folder.resolve()
            stack.enter_context(locked(root, deep=deep))
        yield root


@contextmanager
def refusing(place: Path) -> Iterator[None]:
    """Tell what the system says of a place as an ``OutputConflict``."""
    try:
        yield
    except OSError as error:
        raise OutputConflict(f"{place} cannot hold the results: {error.strerror}; name another place.") from error
