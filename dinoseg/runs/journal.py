"""Files of lines of JSON to which a run adds as it goes on, and which it reads back when it was killed.

Lines are handed to the system one by one, without waiting for the disk: a line that a power cut takes costs that one
being done again, and one that a kill tore is no line.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from dinoseg.atomic import atomic_write
from dinoseg.files import open_regular

log = logging.getLogger(__name__)
T = TypeVar("T")


def whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, up to one that has no end."""
    for line in file:
        if not line.endswith(b"\n"):
            return
        yield line


def read_journal(path: Path, parse: Callable[[bytes], T | None], *, to_first_damage: bool = False) -> list[T]:
    """What ``parse`` makes of the whole lines of a file; nothing if there is no such file.

    Lines of which it makes None are left out, with a warning; ``to_first_damage``: with all after them, silently.
    Raises ``OSError`` for a file that is there and cannot be read.
    """
    try:
        with open_regular(path) as file:
            lines = list(whole_lines(file))
    except FileNotFoundError:
        return []
    values = []
    for line in lines:
        value = parse(line)
        if value is not None:
            values.append(value)
        elif to_first_damage:
            return values
    if len(values) < len(lines):
        log.warning("%s is damaged: %d of its %d lines are left out.", path, len(lines) - len(values), len(lines))
    return values


def rewrite_journal(path: Path, lines: Iterable[bytes]) -> None:
    """Put these lines in the place of the file's, all or none."""
    with atomic_write(path) as file:
        file.writelines(lines)
