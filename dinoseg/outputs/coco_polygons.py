"""``coco_polygons.json``: the dataset of ``coco.json`` with polygons in the place of RLE, to edit their corners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dinoseg.outputs.coco import coco_chunks
from dinoseg.outputs.format import FolderFormat
from dinoseg.outputs.polygons import flat, trace
from dinoseg.outputs.record import Record

HOLES = "each part of an object is a polygon; a hole is joined to the outline around it by a cut without width"


def polygons(thing: dict[str, Any]) -> dict[str, Any]:
    """COCO's ``segmentation`` as polygons; ``parts`` and ``holes`` say how many there are."""
    parts = trace(thing["rle"])
    holes = sum(len(part.holes) for part in parts)
    return {"segmentation": [flat(part.polygon()) for part in parts], "parts": len(parts), "holes": holes}


def build(records: Iterable[Record], _: Path) -> Iterator[bytes]:
    """The dataset, an image or an annotation at a time."""
    return coco_chunks(records, shape=polygons, about=HOLES)


COCO_POLYGONS = FolderFormat("coco_polygons.json", build)
