"""``descriptors/<id>.npy``: one vector for each object, for grouping and for search."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import ResultLost
from dinoseg.files import open_regular
from dinoseg.outputs.format import ImageFormat, Scene


def encode(scene: Scene) -> bytes | None:
    """Array ``(n, d)`` float32 in the order of the objects; None where no object has a descriptor."""
    vectors = [found.descriptor for found in scene.segmentation.instances if found.descriptor is not None]
    if not vectors:
        return None
    buffer = io.BytesIO()
    np.save(buffer, np.stack(vectors))
    return buffer.getvalue()


def read_descriptors(path: Path, count: int) -> NDArray[np.float32]:
    """The array of a file, ``(count, d)``. Raises ``ResultLost`` for a file that is gone or holds something else."""
    try:
        with open_regular(path) as file:
            content = file.read()
        vectors: NDArray[np.float32] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # a changed byte can make each of a dozen types of it
        raise ResultLost(f"{path} cannot be read ({error}); the next run makes it again.") from error
    if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != count or not np.isfinite(vectors).all():
        raise ResultLost(f"{path} does not hold the descriptors of {count} objects; the next run makes it again.")
    return vectors


DESCRIPTORS = ImageFormat(".npy", encode)
