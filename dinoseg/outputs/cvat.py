"""``cvat.xml``: masks as CVAT's own XML (``CVAT for images 1.1``) has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from dinoseg.outputs.coco import numbered
from dinoseg.outputs.format import FolderFormat
from dinoseg.outputs.record import Record
from dinoseg.rle import decode_rle

ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Letters that XML has not; a name may have them."""
HEAD = b"""\
<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><labels><label><name>object</name><type>mask</type></label></labels></task></meta>
"""


def build(records: Iterable[Record], _: Path) -> Iterator[bytes]:
    """The document, an image at a time; images are numbered from 0, and named by their id."""
    yield HEAD
    for number, record in numbered(records):
        height, width = record.size or (0, 0)
        name = quoteattr(ILLEGAL.sub("?", record.id))
        head = f'  <image id="{number - 1}" name={name} width="{width}" height="{height}">\n'
        yield (head + "".join(mask_element(thing) for thing in record.objects) + "  </image>\n").encode()
    yield b"</annotations>\n"


def mask_element(thing: Mapping[str, Any]) -> str:
    """An object: runs of 0 and 1 in turn, along the rows of its box."""
    x0, y0, x1, y1 = thing["box"]
    pixels = decode_rle(thing["rle"])[y0:y1, x0:x1].ravel()
    runs = np.diff(np.flatnonzero(np.diff(pixels, prepend=False)), prepend=0, append=pixels.size)
    box = f'left="{x0}" top="{y0}" width="{x1 - x0}" height="{y1 - y0}"'
    words = ", ".join(map(str, runs))
    return f'    <mask label="object" source="auto" occluded="0" rle="{words}" {box} z_order="0"></mask>\n'


CVAT = FolderFormat("cvat.xml", build)
