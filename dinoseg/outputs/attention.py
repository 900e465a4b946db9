"""``attention/<id>.npz``: CLS attention of the last layer on the patch grid, with what leads back to pixels."""

from __future__ import annotations

import io

import numpy as np

from dinoseg.outputs.format import ImageFormat, Scene


def encode(scene: Scene) -> bytes | None:
    """Arrays ``attention`` ``(heads, gh, gw)`` float32, ``grid`` ``(gh, gw)``, ``patch`` px, ``size`` ``(H, W)`` px
    of the upright original, ``scaled`` ``(h, w)`` px before padding; None when the method did not look at attention.

    ``numpy.load`` reads it without pickle.
    """
    attention, fit = scene.segmentation.attention, scene.segmentation.fit
    if attention is None:
        return None
    buffer = io.BytesIO()
    np.savez_compressed(buffer, attention=attention, grid=fit.grid, patch=fit.patch, size=fit.size, scaled=fit.scaled)
    return buffer.getvalue()


ATTENTION = ImageFormat(".npz", encode)
