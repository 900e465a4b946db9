"""``manifest.jsonl``: one line of JSON per input, added as inputs are finished."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from dinoseg.atomic import append, atomic_write, open_append
from dinoseg.outputs.record import Record, parse_record
from dinoseg.runs.journal import whole_lines


class Manifest:
    """The lines of a folder, of which the latest of each id counts. Only their places are held in memory.

    Lines are handed to the system one by one, without waiting for the disk: a line that a power cut takes costs that
    one input being done again. A line that was torn by a kill is cut off when the manifest is opened. ``get`` may be
    called from another thread than ``append``.
    """

    def __init__(self, path: Path) -> None:
        """Open or create; raises ``OutputConflict`` when the path is a link or no file, and ``OSError``."""
        self.path = path
        self._turn = Lock()
        """Of one who reads or adds: both move the file's position."""
        self._places: dict[str, tuple[int, int]] = {}  # id -> offset, length
        self._open()

    def _open(self) -> None:
        self._file = open_append(self.path)
        self._file.seek(0)
        self._places.clear()
        self._end = 0
        lines = io.BufferedReader(self._file)
        for line in whole_lines(lines):
            record = parse_record(line)
            if record is not None:
                self._places[record.id] = (self._end, len(line))
            self._end += len(line)
        lines.detach()
        if self._end < os.fstat(self._file.fileno()).st_size:  # a line that was torn
            os.ftruncate(self._file.fileno(), self._end)

    def get(self, id_: str) -> Record | None:
        """The latest record of that input."""
        place = self._places.get(id_)
        if place is None:
            return None
        with self._turn:
            self._file.seek(place[0])
            line = self._file.read(place[1])
        return parse_record(line)

    def append(self, record: Record) -> None:
        """Add a record; if that fails (disk full) no part of its line stays. Raises ``OSError``."""
        line = record.line()
        with self._turn:
            append(self._file, line)
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
        with atomic_write(self.path) as file:
            file.writelines(record.line() for record in self)
            self._file.close()  # Windows replaces no file that is open
        self._open()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
