"""One line of the manifest: what became of one input."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from dinoseg.files import parsed
from dinoseg.outputs.files import is_place
from dinoseg.strict_json import to_json
from dinoseg.types import Failure, Instance

if TYPE_CHECKING:
    from dinoseg.segmentation import Segmentation


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
    time: float | None = None
    """Seconds from the start of its video; null for what is from no video file."""
    seconds: float = 0.0
    """Spent on it."""
    files: Mapping[str, str | None] = field(default_factory=dict)
    """Path in the folder by format; null where the format had nothing to write."""

    def line(self) -> bytes:
        """The record as a line of JSON."""
        return to_json(asdict(self)).encode() + b"\n"


def parse_record(line: bytes) -> Record | None:
    """The record of a line, or None when the line is torn or something else."""
    values = parsed(line)
    if not isinstance(values, dict):
        return None
    known = {name: values[name] for name in CHECKS if name in values}
    if not {"id", "status"} <= known.keys() or not all(CHECKS[name](value) for name, value in known.items()):
        return None
    record = Record(**known)
    return record if all(thing["rle"]["size"] == record.size for thing in record.objects) else None


# What the fields of a line may hold. Others may have written it: each value is what the code makes of it, or the line
# counts as torn.


def is_text(value: object) -> bool:
    """Whether a value is text."""
    return isinstance(value, str)


def is_number(value: object) -> bool:
    """A number that is one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_source(value: object) -> bool:
    """Whether a value is the fingerprint of a file (``runs.done``), or null."""
    return value is None or isinstance(value, dict)


def is_size(value: object) -> bool:
    """Whether a value is ``[H, W]``, two numbers of px above 0."""
    return isinstance(value, list) and len(value) == 2 and all(type(side) is int and side > 0 for side in value)


def is_object(value: object) -> bool:
    """Whether a value is an object as ``describe`` writes it."""
    if not (isinstance(value, dict) and isinstance(rle := value.get("rle"), dict)):
        return False
    box, whole = value.get("box"), (value.get("area"), value.get("label"))
    sides = isinstance(box, list) and len(box) == 4 and all(type(side) is int for side in box)
    mask = is_size(rle.get("size")) and is_text(rle.get("counts"))
    return sides and mask and is_number(value.get("score")) and all(type(number) is int for number in whole)


def is_files(value: object) -> bool:
    """Whether a value maps formats to paths in the folder."""
    return isinstance(value, dict) and all(path is None or is_place(name, path) for name, path in value.items())


def or_none(check: Callable[[object], bool]) -> Callable[[object], bool]:
    """A check that takes null as well."""
    return lambda value: value is None or check(value)


def all_of(check: Callable[[object], bool]) -> Callable[[object], bool]:
    """A check of a list's items."""
    return lambda value: isinstance(value, list) and all(map(check, value))


CHECKS: dict[str, Callable[[object], bool]] = {
    "id": is_text,
    "status": lambda value: value in ("done", "empty", "failed"),
    "run": is_text,
    "reason": or_none(is_text),
    "message": or_none(is_text),
    "source": is_source,
    "size": or_none(is_size),
    "score": or_none(is_number),
    "presence": or_none(is_number),
    "objects": all_of(is_object),
    "notes": all_of(is_text),
    "time": or_none(is_number),
    "seconds": is_number,
    "files": is_files,
}


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
        time=segmentation.time,
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
