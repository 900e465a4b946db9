"""The one way in which files are opened to be read: regular ones only, and without ever waiting."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from contextlib import suppress
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import Any

EMPTY = "''"
"""How messages show a name without a letter."""

FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
"""Opening a pipe that nobody writes to returns at once; a terminal does not become ours. Windows has its own."""


class NotRegular(OSError):
    """A folder, pipe, socket or device is where a file should be."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "it is a folder, a pipe or a device, not a file", str(path))


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to read its bytes; links to one are followed.

    What was opened is asked what it is, not the path, which may be another thing a moment later. Raises ``NotRegular``
    (an ``OSError``, as everything else that is raised here): reading from ``/dev/zero`` would never end.
    """
    try:
        descriptor = os.open(path, FLAGS)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP):  # a socket, a device without a driver
            raise NotRegular(path) from error
        raise
    except ValueError as error:  # a NUL in its name
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(path)
    return os.fdopen(descriptor, "rb")


def check_regular(path: Path) -> None:
    """``open_regular`` for what a library opens by its name: raises the same errors."""
    open_regular(path).close()


def read_back(path: Path) -> Any:
    """The value in a JSON file of ours; None where there is none, or it is no such file any more."""
    try:
        with open_regular(path) as file:
            return parsed(file.read())
    except OSError:
        return None


def parsed(text: str | bytes) -> Any:
    """The value of a JSON text, None for anything else."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def absent(name: str) -> str:
    """What is wrong with a name that leads nowhere, and what to do."""
    if not name:
        return "is an empty name: give a path"
    if re.match(r"[a-z][a-z0-9+.-]+:/", name, re.IGNORECASE):
        return "is a URL, and files are read only: download it first"
    return "is not there, or not any more"


def home_path(name: str) -> Path:
    """The path of that name, ``~`` resolved as a shell does, unless something is called so."""
    path = Path(name)
    if name.startswith("~") and not os.path.lexists(path):
        with suppress(RuntimeError):  # there is no such user
            return path.expanduser()
    return path


def sha256(path: Path) -> str:
    """Hex digest of a file; remembered while its size and time stay."""
    stat = path.stat()
    return _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, time: int) -> str:  # noqa: ARG001 (the key of the cache)
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
