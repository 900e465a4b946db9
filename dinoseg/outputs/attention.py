"""``attention/<id>.npz``: CLS attention of the last layer on the patch grid, with what leads back to pixels."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinoseg.outputs.format import ImageFormat, Scene
from dinoseg.types import Fit


def encode(scene: Scene) -> bytes | None:
    """The arrays of ``npz``; None when the method did not look at attention."""
    attention = scene.segmentation.attention
    return None if attention is None else npz({"attention": attention}, scene.segmentation.fit)


def npz(maps: Mapping[str, NDArray[np.float32]], fit: Fit, comment: str = "") -> bytes:
    """Maps by name (``attention`` ``(heads, gh, gw)`` float32), ``grid`` ``(gh, gw)``, ``patch`` px, ``size``
    ``(H, W)`` px of the upright original, ``scaled`` ``(h, w)`` px before padding; ``comment`` is the archive's.

    ``numpy.load`` reads it without pickle.
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {**maps, **asdict(fit)}
    np.savez_compressed(buffer, **arrays)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = comment.encode("ascii")
    return buffer.getvalue()


ATTENTION = ImageFormat(".npz", encode)
