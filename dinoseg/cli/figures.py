"""The folder that ``dinoseg attend`` fills: each figure carries in its PNG how it was made, and of which file."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from dinoseg import __version__
from dinoseg.errors import OutputConflict
from dinoseg.outputs.files import relative_path, write_under
from dinoseg.outputs.record import fingerprint, unchanged
from dinoseg.outputs.strict_json import to_json
from dinoseg.types import Source

if TYPE_CHECKING:
    from dinoseg.attention import Attender, Attention

KEY = "dinoseg"
"""Of the PNG's text that holds the record."""
FREE = ("device", "batch", "offline")
"""Options that do not change a figure."""


class Figures:
    """``attention/<id>.png`` and, on request, ``attention/<id>.npz`` with the maps."""

    def __init__(self, root: Path, attender: Attender, *, arrays: bool, overwrite: bool) -> None:
        self.root, self.arrays, self.overwrite = Path(os.path.realpath(root)), arrays, overwrite
        options = {name: value for name, value in asdict(attender.options).items() if name not in FREE}
        run = {"options": options, "weights": attender.backbone.spec.sha256, "version": __version__}
        self.run = json.loads(to_json(run))
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputConflict(f"{root} cannot hold figures: {error.strerror}; name another folder.") from error

    def done(self, source: Source) -> bool:
        """Whether an earlier run made the same. Raises ``OutputConflict`` for a file that is in the way."""
        figure, maps = self.root / place(source.id, ".png"), self.root / place(source.id, ".npz")
        if self.overwrite or not figure.exists():
            return False
        record = record_of(figure)
        if record.get("run") != self.run:
            told = "was made with other options" if record else "is not ours"
            raise OutputConflict(f"{figure} {told}: name another folder, or pass --overwrite to replace it.")
        return unchanged(source.content, record["source"]) and (maps.exists() or not self.arrays)

    def write(self, source: Source, attention: Attention) -> None:
        """Write what was asked for; the figure last, so that it stands for all."""
        if self.arrays:
            write_under(self.root, place(source.id, ".npz"), [npz(attention)])
        record = to_json({"run": self.run, "source": fingerprint(source.content)})
        buffer = io.BytesIO()
        attention.figure().savefig(buffer, format="png", metadata={KEY: record})
        write_under(self.root, place(source.id, ".png"), [buffer.getvalue()])


def place(id_: str, suffix: str) -> str:
    """Path of a result within the folder."""
    return relative_path("attention", id_, suffix)


def record_of(figure: Path) -> Mapping[str, Any]:
    """What a figure's PNG says of how it was made; empty for a file that is not ours."""
    try:
        with Image.open(figure, formats=["PNG"]) as image:
            record = json.loads(image.info.get(KEY, "{}"))
    except (OSError, ValueError, Image.DecompressionBombError):
        return {}
    return record if isinstance(record, dict) else {}


def npz(attention: Attention) -> bytes:
    """Arrays ``attention`` ``(heads, gh, gw)`` and, to lead back to pixels, the fields of ``Fit``."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, attention=attention.heads, **asdict(attention.fit))
    return buffer.getvalue()
