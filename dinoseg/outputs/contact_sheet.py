"""``contact_sheet.png``: thumbnails of the overlays with their names, on one page; what is empty or failed last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import PIL.Image

from dinoseg.draw.contact import AMBER, GREY, RED, Tile, contact_sheet, thumbnail
from dinoseg.outputs.files import existing
from dinoseg.outputs.format import FolderFormat, png_bytes
from dinoseg.outputs.record import Record

MOST = 48
"""Thumbnails on the page."""
FEW = 8
"""Of these, those without an object, and those that failed: a row each at most."""
KINDS = {"done": "with objects", "empty": "without", "failed": "failed"}
"""Of records, in their order on the page, and what the heading calls them."""
INKS = {"done": GREY, "empty": AMBER, "failed": RED}


def build(records: Iterable[Record], root: Path) -> Iterator[bytes]:
    """The sheet: the first of each kind in order of their id; its heading says how many there are and are shown."""
    counts = dict.fromkeys(KINDS, 0)
    shown: dict[str, list[Tile]] = {kind: [] for kind in KINDS}
    for record in records:
        counts[record.status] += 1
        room = MOST if record.status == "done" else FEW
        if len(shown[record.status]) < room and (tile := tile_of(record, root)):
            shown[record.status].append(tile)
    del shown["done"][MOST - len(shown["empty"]) - len(shown["failed"]) :]
    numbers = {kind: len(tiles) for kind, tiles in shown.items()}
    yield png_bytes(contact_sheet([tile for tiles in shown.values() for tile in tiles], heading(counts, numbers)))


def tile_of(record: Record, root: Path) -> Tile | None:
    """The overlay with its name and caption; none where it is lost, an empty frame for what failed."""
    tile = Tile(None, record.id, caption(record), INKS[record.status])
    if record.status == "failed":
        return tile
    path = existing(root, record.files.get("overlays"))
    if path is not None:
        with suppress(OSError, SyntaxError), PIL.Image.open(path, formats=["PNG"]) as overlay:  # damaged since
            return replace(tile, picture=thumbnail(overlay))
    return None


def heading(counts: Mapping[str, int], shown: Mapping[str, int]) -> str:
    """``60 images: 52 with objects, 6 without, 2 failed; shown: 40 with objects, 6 without, 2 failed``."""
    total = sum(counts.values())
    text = f"{total} image{'' if total == 1 else 's'}"
    if total:
        text += f": {listed(counts)}"
    return text if shown == counts else f"{text}; shown: {listed(shown) or 'none'}"


def listed(counts: Mapping[str, int]) -> str:
    """Numbers by kind, those that are not 0."""
    return ", ".join(f"{counts[kind]} {name}" for kind, name in KINDS.items() if counts[kind])


def caption(record: Record) -> str:
    """``2 objects, score 0.83`` or why there is none."""
    if record.status == "failed":
        return f"failed: {(record.reason or 'unknown').replace('_', ' ')}"
    if not record.objects:
        why = (record.reason or "no_object").replace("_", " ")
        return why if why == "no object" else f"no object: {why}"
    count, score = len(record.objects), record.score or 0.0
    return f"{count} object{'' if count == 1 else 's'}, score {score:.2f}"


CONTACT_SHEET = FolderFormat("contact_sheet.png", build, needs=("overlays",))
