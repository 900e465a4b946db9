"""Colours of objects and of heat."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

GOLDEN = (5**0.5 - 1) / 2
FIRST_HUE = 0.93  # a pink that is rare in photographs


def object_colours(n: int) -> NDArray[np.uint8]:
    """Bright colours of objects 1..n, ``(n, 3)`` RGB: hues a golden angle apart, so that neighbours differ most."""
    hues = (FIRST_HUE + np.arange(n) * GOLDEN) % 1
    colours = [colorsys.hsv_to_rgb(hue, 0.85, 1.0) for hue in hues]
    return np.round(255 * np.array(colours).reshape(-1, 3)).astype(np.uint8)  # (n, 3)


def voc_palette() -> NDArray[np.uint8]:
    """The palette of PASCAL VOC's label pictures, ``(256, 3)`` RGB.

    The bits of a label are dealt out to red, green and blue in turn, from the highest bit of the channel down.
    """
    labels = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for channel in range(3):
        for bit in range(3):
            chosen = labels >> (3 * bit + channel) & 1  # (256,)
            palette[:, channel] |= (chosen << (7 - bit)).astype(np.uint8)
    return palette


def map_to_rgb(heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Heat ``(h, w)`` in 0..1 -> RGB ``(h, w, 3)`` in the colours of inferno; values outside are clipped."""
    grey = np.round(255 * np.clip(heat, 0, 1)).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
