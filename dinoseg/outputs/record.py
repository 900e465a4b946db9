"""One line of the manifest: what became of one input."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from dinoseg.files import open_regular
from dinoseg.outputs.strict_json import to_json
from dinoseg.types import Failure, Image, Instance, Segmentation


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of one input; ``coco.json`` can be made from the records alone."""

    id: str
    status: Literal["done", "empty", "failed"]
    """``empty``: done, and there is no object."""
    run: str = ""
    """Id of the run (``run.json``) that made it."""
    reason: str | None = None
    """Short word for why it is empty or failed."""
    message: str | None = None
    """The error in full."""
    source: Mapping[str, Any] | None = None
    """``size`` in bytes, ``mtime`` in seconds, ``sha256``; None for what is not a file."""
    size: tuple[int, int] | None = None
    """``[H, W]`` px of the upright image."""
    score: float | None = None
    """The best object's, 0..1; 0 without an object."""
    presence: float | None = None
    """Probability in 0..1 that there is an object, where it is known."""
    objects: tuple[Mapping[str, Any], ...] = ()
    """``score``, ``why``, ``box`` (x0, y0, x1, y1 px, half open), ``area`` px, ``label``, ``rle``; ``cluster`` from
    ``group``."""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    files: Mapping[str, str | None] = field(default_factory=dict)
    """Path in the folder by format; null where the format had nothing to write."""

    def line(self) -> bytes:
        """The record as a line of JSON."""
        return to_json(asdict(self)).encode() + b"\n"


def parse_record(line: bytes) -> Record | None:
    """The record of a line, or None when the line is torn or something else."""
    try:
        values = json.loads(line)
        known = {field.name: values[field.name] for field in fields(Record) if field.name in values}
        record = Record(**known)
    except (ValueError, TypeError):
        return None
    return record if isinstance(record.id, str) and isinstance(record.files, dict) else None


def record_of(segmentation: Segmentation, **more: Any) -> Record:
    """The record of an image that was done; ``more`` are fields that only a folder knows."""
    instances = segmentation.instances
    return Record(
        id=segmentation.id,
        status="done" if instances else "empty",
        reason=segmentation.reason,
        size=segmentation.size,
        score=max(segmentation.scores, default=0.0),
        presence=segmentation.presence,
        objects=tuple(describe(instance) for instance in instances),
        notes=segmentation.notes,
        seconds=round(sum(segmentation.timings.values()), 4),
        **more,
    )


def failure_record(failure: Failure, run: str) -> Record:
    """The record of an input that failed."""
    return Record(id=failure.id, status="failed", run=run, reason=failure.reason, message=str(failure.error))


def describe(instance: Instance) -> dict[str, Any]:
    """One object as JSON keeps it."""
    return {
        "score": float(instance.score),
        "why": instance.why,
        "box": list(instance.box),
        "area": int(instance.area),
        "label": int(instance.label),
        "rle": instance.rle,
    }


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
