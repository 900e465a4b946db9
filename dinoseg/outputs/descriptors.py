"""``descriptors/<id>.npy``: one vector for each object, for grouping and for search."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinoseg.outputs.format import ImageFormat, Scene


def encode(scene: Scene) -> bytes | None:
    """Array ``(n, d)`` float32 in the order of the objects; None where no object has a descriptor."""
    vectors = [found.descriptor for found in scene.segmentation.instances if found.descriptor is not None]
    if not vectors:
        return None
    buffer = io.BytesIO()
    np.save(buffer, np.stack(vectors))
    return buffer.getvalue()


def read_descriptors(path: Path) -> NDArray[np.float32]:
    """The array of a file. Raises ``ValueError`` or ``OSError`` for a file that is damaged or gone."""
    return np.load(path, allow_pickle=False)


DESCRIPTORS = ImageFormat(".npy", encode)
