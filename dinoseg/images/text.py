"""Text files that other programs wrote: how they are encoded, and how they spell the names in them."""

from __future__ import annotations

import codecs
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO
from unicodedata import normalize

from dinoseg.files import open_regular

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the beginning of it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, and the encodings that they tell."""
REPLACEMENT = "\ufffd"
"""Stands for what is no character."""


def open_text(path: Path, errors: str = "strict") -> TextIO:
    """Open a text file in the encoding that its byte order mark tells, UTF-8 where it has none.

    Lines end in ``\\n`` whatever they ended in. ``errors`` says what becomes of bytes that are no text, as in ``open``.
    Raises ``OSError``.
    """
    file = open_regular(path)
    begin = file.read(4)
    file.seek(0)
    encoding = next((encoding for mark, encoding in MARKS if begin.startswith(mark)), "utf-8")
    return io.TextIOWrapper(file, encoding, errors)


def read_text(path: Path) -> str:
    """All of a text file, without a byte order mark. Raises ``OSError``, and ``ValueError`` for what is no text."""
    with open_text(path) as file:
        return file.read()


def read_json(path: Path) -> Any:
    """What a json file holds. Raises ``OSError``, and ``ValueError`` for what is no json or nested without end."""
    try:
        return json.loads(read_text(path))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a list that are not blank, without their ends, and their numbers from 1.

    A name in it may hold bytes that are no text: they are kept as the system keeps them in names of files. Raises
    ``OSError``.
    """
    number = 0
    with open_text(path, "surrogateescape") as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.rstrip("\n").replace("\0", REPLACEMENT)  # the system refuses to look for a NUL
        except UnicodeDecodeError:  # UTF-16 that is cut short; in UTF-8 the bytes were kept
            yield number + 1, REPLACEMENT


def spellings(name: str) -> Iterator[str]:
    """What a name in a list may mean, as it is written first: without spaces or quotes around it, ``\\`` as ``/``, and
    with its accents in letters (NFC, as most programs write them) or apart (NFD, as some file systems do).
    """
    yield name
    bare = name.strip()
    quoted = len(bare) > 2 and bare[0] == bare[-1] and bare[0] in "\"'"
    unquoted = bare[1:-1] if quoted else bare
    written = (name, bare, unquoted, unquoted.replace("\\", "/"))
    yield from dict.fromkeys((*written, *(normalize(form, each) for form in ("NFC", "NFD") for each in written)))


def alike(name: str) -> str:
    """One spelling for all those of a name: its key where names of two sources are to meet."""
    *_, last = spellings(name)
    return normalize("NFC", last)


def spelled(folder: Path, name: str) -> Path:
    """The file or folder below ``folder`` that a list calls ``name``; as it is written where nothing is there."""
    places = (folder / spelling for spelling in spellings(name))
    return next((place for place in places if os.path.lexists(place)), folder / name)
