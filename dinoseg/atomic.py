"""Files appear whole or not at all, and a folder belongs to one run at a time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dinoseg.errors import OutputConflict

LOCK = ".dinoseg.lock"


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file in the folder of ``path``; it takes the final name when the block ends without an error.

    If the process stops at any line: before the rename the old file (or none) is there and a ``.tmp`` is left over,
    after it the new one is, with its content on disk.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def lock(folder: Path) -> int:
    """Lock a folder for this process; the lock ends when the descriptor is closed, however the process ends.

    Raises ``OutputConflict`` when another process has it.
    """
    import fcntl  # not on Windows

    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise OutputConflict(f"{folder} is in use by another run; wait for it or name another folder.") from error
    return descriptor


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """``lock``, for the length of a block."""
    descriptor = lock(folder)
    try:
        yield
    finally:
        os.close(descriptor)
