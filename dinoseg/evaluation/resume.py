"""What an evaluation has measured so far, so that one that was killed goes on where it was."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import numpy as np

from dinoseg.atomic import append, open_append
from dinoseg.evaluation.datasets.base import Sample
from dinoseg.evaluation.report import UNFINISHED, Row
from dinoseg.runs.done import size_and_time
from dinoseg.runs.identity import refuse_other_run
from dinoseg.runs.journal import read_journal, rewrite_journal
from dinoseg.strict_json import plain

E = TypeVar("E")
CHECKED = b'{"crc32": %d, '


class RowJournal:
    """``rows.jsonl`` beside the report: what was asked for, then one line for each picture that was scored.

    Lines are handed to the system one by one; what a kill tore off is measured again, and so is a picture whose files
    have changed since. A picture that failed has no line: it is tried again. Without a folder nothing is written.
    Without ``rows`` the file only says that the evaluation is not done: predictions in files are read again faster than
    they could be checked, and protocols of whole pictures compare all pictures at once.
    """

    def __init__(
        self, folder: Path | None, asked: Mapping[str, Any], *, rows: bool = True, overwrite: bool = False
    ) -> None:
        """Read what is there. Raises ``OutputConflict`` for rows of other options, unless they may be overwritten."""
        self.path = folder / UNFINISHED if folder else None
        self.rows = rows
        self.lines: dict[str, dict[str, Any]] = {}
        if self.path is None:
            return
        first, *lines = read_journal(self.path, from_line, to_first_damage=True) or [plain(asked)]
        if lines and not overwrite:
            refuse_other_run(self.path, first, asked, "name another folder, or --overwrite to start anew.")
        self.lines = {line["id"]: line for line in lines} if first == plain(asked) else {}
        rewrite_journal(self.path, map(to_line, (plain(asked), *self.lines.values())))

    def read(self, samples: Sequence[Sample], restore: Callable[[Any], E]) -> dict[str, Row[E]]:
        """The rows of an earlier run by id; frames of a video only where all of it was scored.

        ``restore`` makes evidence of what JSON has made of it.
        """
        lines = {sample.id: self.lines.get(sample.id, {}) for sample in samples}
        current = [sample.id for sample in samples if lines[sample.id].get("files") == state(sample)]
        rows = {id_: to_row(lines[id_], restore) for id_ in current}
        torn = {sample.sequence for sample in samples if sample.id not in rows} - {""}
        return {id_: row for id_, row in rows.items() if row.sequence not in torn}

    def add(self, sample: Sample, row: Row[object]) -> None:
        """One more row, safe from the end of this process."""
        if self.path and self.rows:
            line = {field.name: getattr(row, field.name) for field in fields(row)}
            with open_append(self.path) as file:
                append(file, to_line(line | {"files": state(sample)}))

    def finish(self) -> None:
        """Everything is in the report now."""
        if self.path:
            self.path.unlink()


def state(sample: Sample) -> list[list[int] | None]:
    """Size and time of the picture and of all files of its truth."""
    return [size_and_time(path) for path in (sample.image, sample.mask, *sample.also)]


def to_line(value: Mapping[str, Any]) -> bytes:
    """One line of JSON that begins with a checksum of what follows; arrays and bytes in base 64."""
    text = json.dumps(value, default=to_json_value).encode()
    return CHECKED % crc32(text) + text[1:] + b"\n"


def from_line(line: bytes) -> dict[str, Any] | None:
    """``to_line`` undone; None for any other line: evidence may be of any shape, and is trusted."""
    text = b"{" + line.partition(b", ")[2].removesuffix(b"\n")
    if line != CHECKED % crc32(text) + text[1:] + b"\n":
        return None
    value: dict[str, Any] = json.loads(text, object_hook=from_json_value)
    return value


def to_json_value(value: Any) -> Any:
    """What JSON has no type for."""
    if isinstance(value, np.ndarray):
        return {"base64": base64.b64encode(value.tobytes()).decode(), "dtype": value.dtype.str, "shape": value.shape}
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be kept")


def from_json_value(value: dict[str, Any]) -> Any:
    """``to_json_value`` undone. Raises ``ValueError`` for what is broken."""
    if "base64" not in value:
        return value
    content = base64.b64decode(value["base64"], validate=True)
    if "dtype" not in value:
        return content
    return np.frombuffer(content, np.dtype(value["dtype"])).reshape(value["shape"])


def to_row(line: Mapping[str, Any], restore: Callable[[Any], E]) -> Row[E]:
    """The row of a line."""
    values = {field.name: line[field.name] for field in fields(Row)}
    tuples = {name: tuple(line[name]) for name in ("classes", "exif")}
    return Row(**values | tuples | {"evidence": restore(line["evidence"])})
