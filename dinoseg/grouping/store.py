"""Descriptors on disk: memory does not grow with their number."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from dinoseg.atomic import naming

CHUNK = 8192
"""Rows that are read at once."""


class Store:
    """Rows ``(n, d)`` float32 in a file without a name below ``folder``: it is gone when the process is.

    Rows are added first and read afterwards; use it in a ``with`` block. Raises ``OSError``, naming the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 (it lives as long as the store)
        self._width = 0
        self._rows = 0

    def add(self, rows: NDArray[np.float32]) -> None:
        """Append rows ``(m, d)``, all of one width. Raises ``ValueError`` for others."""
        if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != (self._width or rows.shape[1]):
            raise ValueError(f"rows {rows.shape} {rows.dtype} beside others of width {self._width}")
        self._width = rows.shape[1]
        self._rows += len(rows)
        with naming(self._folder):
            self._file.write(rows.tobytes())

    def __len__(self) -> int:
        return self._rows

    def head(self, count: int) -> NDArray[np.float32]:
        """The first rows, ``(min(count, n), d)``."""
        return self._read(0, min(count, self._rows))

    def chunks(self) -> Iterator[NDArray[np.float32]]:
        """All rows in their order, ``(<= CHUNK, d)`` at a time."""
        for start in range(0, self._rows, CHUNK):
            yield self._read(start, min(CHUNK, self._rows - start))

    def _read(self, start: int, count: int) -> NDArray[np.float32]:
        row = 4 * self._width
        with naming(self._folder):  # what is still to be written may be so only now
            self._file.seek(row * start)
            data = self._file.read(row * count)
        return np.frombuffer(data, np.float32).reshape(count, self._width)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def shuffled(ids: Iterable[str]) -> list[str]:
    """Ids in an order that is as good as random and depends on nothing but the ids themselves.

    Whatever comes first is then a fair sample, and consecutive rows are fair batches.
    """
    return sorted(ids, key=lambda id_: hashlib.sha256(os.fsencode(id_)).digest())
