"""``overlays/<id>.png``: the photograph with its objects in colour and outlined."""

from __future__ import annotations

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from dinoseg.draw.overlay import overlay
from dinoseg.images.fit import resize
from dinoseg.outputs.format import Scene, picture

LONG_SIDE = 2048
"""px. Overlays are for looking at: larger photographs are reduced to this, smaller ones keep their size."""


def draw(scene: Scene) -> PIL.Image.Image:
    """Photograph and masks, mode RGB, at the photograph's size or with a long side of ``LONG_SIDE``."""
    return coloured(scene.pixels, scene.labels)


def coloured(pixels: NDArray[np.uint8], labels: NDArray[np.uint16]) -> PIL.Image.Image:
    """A photograph ``(h, w, 3)`` at any scale and its label map ``(H, W)`` as an overlay."""
    scale = min(1.0, LONG_SIDE / max(labels.shape))
    height, width = (max(1, round(side * scale)) for side in labels.shape)
    small = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    return PIL.Image.fromarray(overlay(resize(pixels, (height, width)), np.asarray(small, np.uint16)))


OVERLAYS = picture(draw)
