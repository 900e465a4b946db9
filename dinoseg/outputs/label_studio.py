"""``label_studio.json``: tasks for Label Studio, with the objects as predictions that a person may accept or correct.

Its labelling interface needs an ``Image`` named ``image``, and ``BrushLabels`` named ``brush`` with a label ``object``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from dinoseg.outputs.format import FolderFormat
from dinoseg.outputs.record import Record
from dinoseg.rle import decode_rle
from dinoseg.strict_json import to_json
from dinoseg.version import __version__

LOCAL = "/data/local-files/?d=photos/"
"""Before an id: Label Studio itself serves folders below ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``, never that one."""
CHANNELS = 4
"""Its brushes are RGBA pictures, 255 in all four where the object is."""
LONGEST = 2**16
"""Values in one run."""
HEAD = f"{7:05b}" + "".join(f"{bits - 1:04b}" for bits in (3, 4, 8, 16))
"""A value has 8 bits; a run's length has 3, 4, 8 or 16 of them (each number is written less 1)."""


def build(records: Iterable[Record], _: Path) -> Iterator[bytes]:
    """A list of tasks, one for each photograph that was done, in chunks."""
    done = (record for record in records if record.status != "failed")
    yield b"["
    for index, record in enumerate(done):
        yield ((",\n" if index else "\n") + to_json(task(record))).encode()
    yield b"\n]\n"


def task(record: Record) -> dict[str, Any]:
    """A photograph as a task with one prediction."""
    prediction = {
        "model_version": f"dinoseg {__version__}",
        "score": record.score or 0.0,
        "result": [result(thing) for thing in record.objects],
    }
    return {"data": {"image": LOCAL + quote(os.fsencode(record.id))}, "predictions": [prediction]}


def result(thing: Mapping[str, Any]) -> dict[str, Any]:
    """An object as a region of the brush."""
    mask = decode_rle(thing["rle"])
    height, width = mask.shape
    return {
        "id": f"object-{thing['label']}",
        "from_name": "brush",
        "to_name": "image",
        "type": "brushlabels",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "score": thing["score"],
        "value": {"format": "rle", "rle": brush(mask).tolist(), "brushlabels": ["object"]},
    }


def brush(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A mask ``(H, W)`` in Label Studio's own run lengths (npm's ``@thi.ng/rle-pack``), as bytes.

    32 bits: how many values there are. ``HEAD``. Then for each run of equal values: a 1 (a run follows, not values one
    by one), 2 bits that say which of the four lengths is used (always the longest here), its length less 1, its value.
    """
    pixels = mask.ravel()
    starts = np.flatnonzero(np.diff(pixels, prepend=~pixels[0]))  # (runs,)
    lengths = CHANNELS * np.diff(starts, append=pixels.size)
    pieces = -(-lengths // LONGEST)  # of each run
    sizes = np.full(pieces.sum(), LONGEST)
    sizes[pieces.cumsum() - 1] = lengths - (pieces - 1) * LONGEST
    values = np.where(pixels[starts], 255, 0).repeat(pieces)
    runs = (0b111 << 24) | (sizes - 1) << 8 | values  # 27 bits each
    bits = (runs[:, None] >> np.arange(26, -1, -1) & 1).astype(np.uint8)  # (runs, 27)
    head = np.array([int(bit) for bit in f"{CHANNELS * pixels.size:032b}{HEAD}"], np.uint8)
    return np.packbits(np.concatenate([head, bits.ravel()]))


LABEL_STUDIO = FolderFormat("label_studio.json", build)
