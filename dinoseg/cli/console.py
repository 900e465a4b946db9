"""What a terminal gets to see: results on stdout, everything else on stderr."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dinoseg.runs import progress

if TYPE_CHECKING:
    from dinoseg.types import Failure

LISTED = 20
"""Failures named on stderr before the rest is counted."""

quiet = False


def hush(on: bool) -> None:
    """Whether stderr gets failures and errors only."""
    global quiet
    quiet = on
    progress.shown = not on


class Results(io.TextIOWrapper):
    """Standard output. What cannot be written raises an ``OSError`` that names it; letters it lacks are escaped."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        super().__init__(stream.buffer, stream.encoding, "backslashreplace", None, stream.line_buffering)
        self.stream = stream  # whose end would be that of the buffer

    def write(self, text: str, /) -> int:
        """As usual."""
        try:
            return super().write(text)
        except OSError as error:
            self.fail(error)
        return len(text)

    def flush(self) -> None:
        """As usual."""
        try:
            super().flush()
        except OSError as error:
            self.fail(error)

    def close(self) -> None:
        """Leave that to the stream beneath."""

    def fail(self, error: OSError) -> None:
        """Let the rest go nowhere, which Python writes once more at its end, and then say what was lost."""
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), self.fileno())
        self.lost(error)

    def lost(self, error: OSError) -> None:
        """Who asked for results has to know that they are not there."""
        raise OSError(error.errno, error.strerror, "standard output") from error


class Messages(Results):
    """Standard error. What cannot be written is left out: no work is stopped by a message that nobody reads."""

    def lost(self, error: OSError) -> None:
        """Nobody can be told."""


def safe_streams() -> None:
    """Let the standard streams be there and stay usable, whatever the process was started with.

    One that is closed leads nowhere: else the first result that is opened would get its number, and the messages of
    some library with it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = Results(sys.stdout)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = Messages(sys.stderr)


def plain(text: object) -> str:
    """``text`` on one line, control characters and undecodable bytes escaped: a file's name cannot steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def say(text: str) -> None:
    """A message on stderr; lines after its first are indented, so that no name can pose as a message."""
    print("\n  ".join(map(plain, text.split("\n"))), file=sys.stderr)


def inform(text: str) -> None:
    """A message on stderr that is not about anything wrong."""
    if not quiet:
        say(text)


def tell(text: object = "") -> None:
    """One line of the result on stdout."""
    print(plain(text))


def tell_json(value: object) -> None:
    """The result as one JSON document on stdout, ASCII only."""
    from dinoseg.strict_json import to_json

    print(to_json(value, indent=2))


def tell_table(rows: Iterable[Sequence[object]]) -> None:
    """Rows of equal length on stdout, columns aligned."""
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def say_failures(failures: Sequence[Failure], count: int, rest: str) -> None:
    """Name failed inputs with their reasons, up to ``LISTED`` of ``count``; ``rest`` says where all of them are."""
    for failure in failures[:LISTED]:
        told = str(failure.error)
        named = told if failure.id in told else f"{failure.id}: {told}"
        say(plain(f"failed: {named} [{failure.reason}]"))
    if count > LISTED:
        say(f"... and {count - LISTED} more: {rest}")


def as_json(failures: Iterable[Failure]) -> list[dict[str, str]]:
    """Failures as JSON has them: ``id``, ``reason``, ``message``."""
    return [{"id": failure.id, "reason": failure.reason, "message": str(failure.error)} for failure in failures]


def say_counts(counts: Mapping[str, int], cost: str = "") -> None:
    """One line of what is not zero."""
    inform(", ".join(f"{count} {what}" for what, count in counts.items() if count) + cost)


def say_notes(notes: Mapping[str, int], where: str) -> None:
    """What had to be done to photographs to read them, with how many; ``where`` says to which."""
    if notes:
        inform(f"noted: {', '.join(f'{note} ({count})' for note, count in notes.items())}; {where}")


def say_nothing_found(places: Sequence[object], ignored: int) -> None:
    """What was looked for in vain, and where."""
    from dinoseg.images.formats import IMAGE_SUFFIXES

    others = f" ({ignored} other files ignored)" if ignored else ""
    where = ", ".join(map(plain, places[:3])) + (" ..." if len(places) > 3 else "")
    say(f"No image found in {where}{others}. In folders dinoseg looks for {' '.join(sorted(IMAGE_SUFFIXES))}.")
