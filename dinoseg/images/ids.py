"""Names that stay apart on every file system: results are stored under them."""

from __future__ import annotations

import os
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath


def fold(name: str) -> str:
    """What some file systems take for the same name: neither case nor the way accents are composed counts."""
    return unicodedata.normalize("NFC", name).casefold()


def distinct(names: Iterable[str]) -> Iterator[str]:
    """The names, and a mark on those that differ from an earlier one by ``fold`` alone: ``a.jpg`` after ``A.jpg``
    becomes ``a~1b2c3d4e.jpg``, whatever else is there.
    """
    seen: set[str] = set()
    for name in names:
        folded = fold(name)
        yield mark(name) if folded in seen else name
        seen.add(folded)


def mark(name: str) -> str:
    """The name with a checksum of itself before its suffix (and before the ``/`` of a folder)."""
    path = PurePosixPath(name)
    marked = path.with_name(f"{path.stem}~{zlib.crc32(os.fsencode(name)):08x}{path.suffix}")
    return f"{marked}/" if name.endswith("/") else str(marked)
