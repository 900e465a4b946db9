"""Whether a file was done by an earlier run: it is the same file still."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dinoseg.files import open_regular
from dinoseg.types import Image


def size_and_time(path: Path) -> list[int] | None:
    """Bytes and nanoseconds; None where nothing is."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def fingerprint(content: Image) -> dict[str, Any] | None:
    """Size, time and hash of an input file; None for bytes, arrays and PIL images, and when the file is gone."""
    if not isinstance(content, str | Path):
        return None
    try:
        with open_regular(Path(content)) as file:
            status = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
    return {"size": status.st_size, "mtime": status.st_mtime, "sha256": digest}


def unchanged(content: Image, known: Mapping[str, Any] | None) -> bool:
    """Whether a file still has the content of its ``fingerprint``: by size and time, by hash when the time differs."""
    if known is None or not isinstance(content, str | Path):
        return False
    try:
        status = Path(content).stat()
    except OSError:
        return False
    if status.st_size != known.get("size"):
        return False
    if status.st_mtime == known.get("mtime"):
        return True
    now = fingerprint(content)
    return now is not None and now["sha256"] == known.get("sha256")
