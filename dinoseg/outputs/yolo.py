"""``yolo/labels/<stem>.txt`` and ``yolo/data.yaml``: polygons as YOLO's segmentation learns from them.

The photographs belong into ``yolo/images``, in the same tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from dinoseg.outputs.format import FolderFormat, ImageFormat, Scene
from dinoseg.outputs.polygons import one_polygon, trace
from dinoseg.outputs.record import Record

DATA = b"""\
# Put the photographs into images/, in the tree that labels/ has.
train: images
val: images  # for lack of another set
names:
  0: object
"""


def encode(scene: Scene) -> bytes:
    """A line for each object, none without: class 0, then its polygon, x and y as shares of the photograph.

    A line holds one polygon: the parts and holes of an object are joined by cuts that have no width.
    """
    height, width = scene.size
    lines = []
    for instance in scene.segmentation:
        shares = one_polygon(trace(instance.rle)) / np.array([width, height])  # (n, 2)
        lines.append("0 " + " ".join(f"{share:.6f}" for share in shares.ravel()) + "\n")
    return "".join(lines).encode()


def build(_: Iterable[Record], __: Path) -> Iterator[bytes]:
    """``data.yaml``: which folder holds the photographs, and the name of the one class."""
    yield DATA


YOLO = ImageFormat(".txt", encode, below="labels", stem=True, index=FolderFormat("yolo/data.yaml", build))
