"""Files appear whole or not at all, and a folder belongs to one run at a time."""

from __future__ import annotations

import errno
import io
import logging
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from dinoseg.errors import OutputConflict

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

log = logging.getLogger(__name__)
LOCK = ".dinoseg.lock"
TEMPORARY = re.compile(r"\.dinoseg-[0-9a-f]{16}\.tmp")
"""Names of unfinished files."""
CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Flags with which opening neither follows a link nor waits for the other end of a pipe, where the system has them."""
TAKEN = (errno.EAGAIN, errno.EACCES)
"""What a system says of a lock that another process has; anything else means that it cannot lock here."""


class Unfinished(io.FileIO):
    """A file on its way. It keeps what the system refused first: those who write into it may tell it in other words."""

    refused: OSError | None = None

    def write(self, data: Any, /) -> int:
        """As usual."""
        try:
            return super().write(data)
        except OSError as error:
            self.refused = self.refused or error
            raise


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file in the folder of ``path``; it takes the final name when the block ends without an error.

    If the process stops at any line: before the rename the old file (or none) is there and a temporary one is left
    over, which ``locked`` removes; after it the new one is, with its content on disk. A link is replaced, not followed.

    Raises ``OSError`` with the name of the file for whatever the system refuses, and ``OutputConflict`` where something
    is in the way that is neither a file nor a link.
    """
    refuse_special(path)
    temporary = path.with_name(f".dinoseg-{secrets.token_hex(8)}.tmp")
    disk = None
    try:
        with naming(path, temporary):
            disk = Unfinished(temporary, "xb")
            with io.BufferedWriter(disk) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if disk and disk.refused and isinstance(error, Exception):
            raise named(disk.refused, path) from error
        raise


@contextmanager
def naming(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Give an ``OSError`` that names no file, or the temporary one, the name of this one."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and (error.filename is None or str(error.filename) == str(temporary)):
            raise named(error, path) from error
        raise


def named(error: OSError, path: Path) -> OSError:
    """The same error of that file."""
    return OSError(error.errno, error.strerror, str(path))


def refuse_special(path: Path) -> None:
    """Raise ``OutputConflict`` where a file is to lie and a folder, pipe or device does."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if stat.S_IFMT(path.lstat().st_mode) not in (stat.S_IFREG, stat.S_IFLNK):
            raise OutputConflict(f"{path} is a folder, a pipe or a device, and a file is to be written there: move it.")


def open_append(path: Path) -> io.FileIO:
    """Open a file to read it and to add to it, unbuffered; it is created where nothing is.

    Raises ``OutputConflict`` for a link, pipe or device, none of which is followed or waited for.
    """
    refuse_special(path)
    if path.is_symlink():
        raise OutputConflict(f"{path} is a link, and a file is to be written there: remove the link.")
    return io.FileIO(path, "a+b", opener=lambda name, flags: os.open(name, flags | CAREFUL, 0o666))


def append(file: io.FileIO, content: bytes) -> None:
    """Add to a file that ``open_append`` opened: all or nothing. Raises ``OSError`` with its name."""
    end, written = os.fstat(file.fileno()).st_size, 0
    with naming(Path(os.fsdecode(file.name))):
        try:
            while written < len(content):
                written += os.write(file.fileno(), content[written:])
        except BaseException:
            with suppress(OSError):
                os.ftruncate(file.fileno(), end)
            raise


@contextmanager
def locked(folder: Path, *, deep: bool = True) -> Iterator[None]:
    """Hold the lock of a folder for the length of a block; it ends with the process, however that ends.

    What a process that was killed left unfinished is removed: in the folder, and in all below it if ``deep``; links are
    not followed. On a file system that cannot lock, a warning says so. Raises ``OutputConflict`` when another process
    has the lock.
    """
    refuse_special(folder / LOCK)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | CAREFUL, 0o666)
    try:
        lock(descriptor, folder)
        sweep(folder, deep=deep)
        yield
    finally:
        os.close(descriptor)


def lock(descriptor: int, folder: Path) -> None:
    """Ask the system for the lock."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in TAKEN:
            raise OutputConflict(f"{folder} is in use by another run; wait for it or name another folder.") from error
        log.warning("%s cannot be locked (%s): start no second run in it meanwhile.", folder, error.strerror)


def sweep(folder: Path, *, deep: bool) -> None:
    """Remove the unfinished files of a folder that is locked."""
    for place, _, names in os.walk(folder):
        for name in filter(TEMPORARY.fullmatch, names):
            Path(place, name).unlink(missing_ok=True)
        if not deep:
            break
