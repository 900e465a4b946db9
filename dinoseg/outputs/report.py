"""``report/``: a page to look through the results of a folder (``index.html``), and what it shows (``thumbnails/``).

The folder stands for itself: it may be moved, and is opened without a server or a network.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import PIL.Image

from dinoseg.draw.overlay import overlay
from dinoseg.images.fit import resize
from dinoseg.outputs.claim import read_run
from dinoseg.outputs.format import FolderFormat, ImageFormat, Scene
from dinoseg.outputs.record import Record
from dinoseg.strict_json import plain

SIDE = 320
"""px of the long side of a thumbnail."""
QUALITY = 80
PAGE = 500
"""Photographs that the page shows at a time."""
TEMPLATE = Path(__file__).with_name("report.html.jinja")


def encode(scene: Scene) -> bytes:
    """Photograph, overlay and mask beside each other in one JPEG: turning to another one loads nothing."""
    scale = min(1.0, SIDE / max(scene.size))
    height, width = (max(1, round(side * scale)) for side in scene.size)
    pixels = resize(scene.pixels, (height, width))  # (h, w, 3)
    labels = np.asarray(cv2.resize(scene.labels, (width, height), interpolation=cv2.INTER_NEAREST), np.uint16)
    mask = np.where(labels > 0, np.uint8(255), np.uint8(0))[..., None].repeat(3, axis=2)
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.hstack([pixels, overlay(pixels, labels), mask])).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def build(records: Iterable[Record], root: Path) -> Iterator[bytes]:
    """The page in chunks, a photograph at a time."""
    import jinja2

    run = read_run(root) or {}
    counts: Counter[str] = Counter(record.status for record in records)
    options = run.get("options")
    template = jinja2.Environment(autoescape=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    for text in template.generate(
        title=root.name,
        counts=[(counts[status], words) for status, words in WORDS.items() if counts[status]],
        facts={name: options[name] for name in ("method", "model") if isinstance(options, dict) and name in options},
        run=str(run.get("id", "")),
        page=PAGE,
        rows=(row(record) for record in records),
    ):
        yield text.encode("utf-8", "backslashreplace")


WORDS = {"done": "with objects", "empty": "without an object", "failed": "failed"}
"""Of records, by their status."""


def row(record: Record) -> dict[str, Any]:
    """What the page knows of a photograph."""
    path = record.files.get("report")
    height, width = record.size or (2, 3)
    return plain(
        {
            "id": record.id,
            "status": record.status,
            "reason": (record.reason or "").replace("_", " "),
            "message": record.message or "",
            "score": record.score,
            "presence": record.presence,
            "objects": len(record.objects),
            "ratio": round(width / height, 4),
            "image": quote(os.fsencode(path.removeprefix("report/"))) if path else "",
        }
    )


REPORT = ImageFormat(".jpg", encode, below="thumbnails", index=FolderFormat("report/index.html", build))
