"""``manifest.jsonl``: one line of JSON per input, added as inputs are finished."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dinoseg.outputs.files import write_under
from dinoseg.outputs.record import Record, parse_record


class Manifest:
    """The lines of a folder, of which the latest of each id counts. Only their places are held in memory.

    Lines are handed to the system one by one, without waiting for the disk: a line that a power cut takes costs that
    one input being done again. A line that was torn by a kill is cut off when the manifest is opened. ``get`` may be
    called from another thread than ``append``.
    """

    def __init__(self, path: Path) -> None:
        """Open or create; raises ``OSError`` also when the path is a symbolic link."""
        self.path = path
        self._places: dict[str, tuple[int, int]] = {}  # id -> offset, length
        self._open()

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        self._file = os.open(self.path, flags, 0o666)
        self._places.clear()
        self._end = 0
        with self.path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    os.ftruncate(self._file, self._end)
                    break
                record = parse_record(line)
                if record is not None:
                    self._places[record.id] = (self._end, len(line))
                self._end += len(line)

    def get(self, id_: str) -> Record | None:
        """The latest record of that input."""
        place = self._places.get(id_)
        return None if place is None else parse_record(os.pread(self._file, place[1], place[0]))

    def append(self, record: Record) -> None:
        """Add a record; if that fails (disk full) no part of its line stays."""
        line = record.line()
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except BaseException:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise
        self._places[record.id] = (self._end, len(line))
        self._end += len(line)

    def __iter__(self) -> Iterator[Record]:
        """The latest record of every input, in order of their ids."""
        for id_ in sorted(self._places):
            record = self.get(id_)
            if record is not None:
                yield record

    def compact(self) -> None:
        """One line per input, sorted by id, whole on disk before it takes the place of the old file."""
        write_under(self.path.parent, self.path.name, (record.line() for record in self))
        old = self._file
        self._open()
        os.close(old)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
