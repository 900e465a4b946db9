"""``heads/<id>.png`` (or ``.pdf``) and ``.npz``, and ``similarity/`` likewise: what ``dinoseg attend`` writes.

Each file carries of which run and photograph it is.

There is no manifest that could say more than what lies there: a run that is killed leaves whole files or none.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinoseg.errors import OutputConflict
from dinoseg.files import open_regular, parsed
from dinoseg.options import FigureOptions
from dinoseg.outputs.attention import npz
from dinoseg.outputs.files import Spellings, free_path, write_under
from dinoseg.outputs.record import is_source
from dinoseg.runs.done import unchanged
from dinoseg.runs.identity import run_id
from dinoseg.strict_json import to_json
from dinoseg.types import Fit, Source

if TYPE_CHECKING:
    import matplotlib.figure

KEYS = {".png": "dinoseg", ".pdf": "Keywords"}
"""Of a figure's text that holds its record; PDF knows a few keys only."""
IN_PDF = re.compile(rb"/Keywords \((\{[^()\\]*\})\)")


class Drawable(Protocol):
    """Maps of one photograph that can be drawn."""

    @property
    def id(self) -> str:
        """Of the photograph."""
        ...

    @property
    def fit(self) -> Fit:
        """The way from the maps back to pixels."""
        ...

    @property
    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The maps ``(..., gh, gw)``, by the name that they have in an archive."""
        ...

    def figure(self, dpi: int) -> matplotlib.figure.Figure:
        """The maps beside the photograph."""
        ...


class FigureFolder:
    """The figures, and the maps where they are asked for, of one run in a folder below ``root``, a real path that this
    process has claimed.

    ``folder`` is its name there, ``run`` everything that determines them. Files of other runs, and of somebody else,
    are replaced only where ``options`` say ``overwrite``.
    """

    def __init__(self, root: Path, folder: str, run: Mapping[str, Any], options: FigureOptions) -> None:
        self.root, self.folder, self.options = root, folder, options
        self.suffix = f".{options.format}"
        self.id = run_id(run)
        self._spellings = Spellings()

    def done(self, source: Source) -> bool:
        """Whether this run's files of this content are here. Raises ``OutputConflict`` for one that is in the way."""
        if self.options.overwrite:
            return False
        each = [self._is_done(source, path) for path in self._paths(source.id)]  # all of them may be in the way
        return all(each)

    def _paths(self, id_: str) -> list[Path]:
        """What belongs to a photograph; maps that are there already, too, so that they are never stale."""
        suffixes = (".npz", self.suffix)
        maps, figure = (self.root / free_path(self.root, self.folder, id_, each, self._spellings) for each in suffixes)
        return [maps, figure] if self.options.arrays or maps.exists() else [figure]

    def _is_done(self, source: Source, path: Path) -> bool:
        if not path.exists():
            return False
        record = record_of(path)
        if record.get("run") != self.id:
            told = "was made with other options" if record else "is not ours"
            raise OutputConflict(f"{path} {told}: name another folder, or pass --overwrite to replace it.")
        return unchanged(source.content, record.get("source"))

    def write(self, maps: Drawable, source: Mapping[str, Any] | None) -> None:
        """Write what belongs to a photograph; ``source`` is the file's ``fingerprint`` from before it was decoded."""
        record = to_json({"run": self.id, "source": source})
        for path in self._paths(maps.id):
            if path.suffix == ".npz":
                content = npz(maps.arrays, maps.fit, record)
            else:
                content = encoded(maps.figure(self.options.dpi), record, self.suffix)
            write_under(self.root, path.relative_to(self.root).as_posix(), [content])


def encoded(figure: matplotlib.figure.Figure, record: str, suffix: str) -> bytes:
    """The figure as PNG or PDF, the record in its text; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    undated = {"CreationDate": None} if suffix == ".pdf" else {}
    figure.savefig(buffer, format=suffix[1:], metadata={KEYS[suffix]: record, **undated})
    return buffer.getvalue()


def record_of(path: Path) -> Mapping[str, Any]:
    """What a file says of how it was made; empty for one that is not ours."""
    try:
        with open_regular(path) as file:
            if path.suffix == ".npz":
                with zipfile.ZipFile(file) as archive:
                    record = parsed(archive.comment)
            elif path.suffix == ".pdf":
                found = IN_PDF.search(file.read())
                record = parsed(found[1]) if found else {}
            else:
                with Image.open(file, formats=["PNG"]) as image:
                    record = parsed(image.info.get(KEYS[".png"], "{}"))
    except (OSError, ValueError, SyntaxError, zipfile.BadZipFile, Image.DecompressionBombError):
        return {}
    return record if isinstance(record, dict) and is_source(record.get("source")) else {}
