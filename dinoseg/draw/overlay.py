"""Masks in colour over a photograph."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoseg.draw.colours import object_colours

FILL = 0.45
"""Share of the object's colour in its filling."""
DIM = 0.72
"""Brightness that the background keeps where there is an object to look at."""
LIGHT = 0.6
"""Share of white in the outline, which is a light tint of the object's colour beside a dark line."""


def overlay(pixels: NDArray[np.uint8], labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Photograph ``(H, W, 3)`` RGB with its label map ``(H, W)`` over it: object k in its colour and outlined.

    0 is background, which is dimmed a little; a photograph without objects stays as it is. The outline is light inside
    and dark outside: one of the two is seen on any picture, whatever its colour and the object's.
    """
    if not labels.any():
        return pixels.copy()
    colours = np.vstack([np.zeros((1, 3), np.uint8), object_colours(int(labels.max()))])  # (1 + n, 3)
    bright = np.arange(256, dtype=np.float32)
    drawn = np.asarray(cv2.LUT(pixels, np.round(bright * np.float32(DIM)).astype(np.uint8)), np.uint8)  # (H, W, 3)
    inside = labels > 0
    filled = bright[:, None] * np.float32(1 - FILL) + colours[:, None] * np.float32(FILL)  # (1 + n, 256, 3)
    drawn[inside] = np.round(filled).astype(np.uint8)[labels[inside][:, None], pixels[inside], np.arange(3)]
    edge = outline(labels)
    drawn[edge] = np.round((1 - LIGHT) * colours[labels[edge]] + LIGHT * 255)
    drawn[~inside & (cv2.dilate(edge.astype(np.uint8), brush(labels)) > 0)] = 0
    return drawn


def brush(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """How far each of the two lines reaches to all sides: about 1/400 of the long side."""
    thickness = max(1, round(max(labels.shape) / 400))
    return np.ones((2 * thickness + 1,) * 2, np.uint8)


def outline(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels of objects that lie at another label, ``(H, W)``. The frame of the picture is no edge."""
    grey, kernel = labels.astype(np.uint16), brush(labels)
    inside = cv2.erode(grey, kernel) == cv2.dilate(grey, kernel)
    return (labels > 0) & ~inside
