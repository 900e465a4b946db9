"""``contact_sheet.png``: thumbnails of the overlays with their names, on one page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import PIL.Image

from dinoseg.draw.contact import Tile, contact_sheet, thumbnail
from dinoseg.outputs.files import existing
from dinoseg.outputs.format import FolderFormat, png_bytes
from dinoseg.outputs.record import Record

MOST = 48
"""Thumbnails on the page: the first ones in order of their id."""


def build(records: Iterable[Record], root: Path) -> Iterator[bytes]:
    """The sheet; its heading says how many of how many images it shows."""
    tiles: list[Tile] = []
    done = failed = 0
    for record in records:
        failed += record.status == "failed"
        done += record.status != "failed"
        path = existing(root, record.files.get("overlays")) if len(tiles) < MOST else None
        if path is not None:
            with suppress(OSError, SyntaxError), PIL.Image.open(path, formats=["PNG"]) as overlay:  # damaged since
                tiles.append(Tile(thumbnail(overlay), record.id, caption(record)))
    heading = f"{len(tiles)} of {done} image{'' if done == 1 else 's'}" + (f", {failed} failed" if failed else "")
    yield png_bytes(contact_sheet(tiles, heading))


def caption(record: Record) -> str:
    """``2 objects, score 0.83`` or why there is none."""
    if not record.objects:
        return (record.reason or "no object").replace("_", " ")
    count, score = len(record.objects), record.score or 0.0
    return f"{count} object{'' if count == 1 else 's'}, score {score:.2f}"


CONTACT_SHEET = FolderFormat("contact_sheet.png", build, needs=("overlays",))
