"""What photographs suffer: corruptions of ImageNet-C (Hendrycks and Dietterich 2019), and a lower resolution."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinoseg.evaluation.features.distortions import recompressed
from dinoseg.images.fit import resize

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way to spoil a photograph."""

    apply: Callable[[Pixels, float, np.random.Generator], Pixels]
    """Photograph ``(H, W, 3)`` and strength -> one of the same size."""
    strengths: tuple[float, ...]
    """By severity, from 1."""
    meaning: str
    """What a strength is."""


def corrupted(pixels: Pixels, name: str, severity: int, id_: str) -> Pixels:
    """A photograph ``(H, W, 3)`` after the corruption of that name; severity 0 leaves it as it is.

    The same id is spoiled in the same way in every run, with the same noise at every severity.
    """
    if severity == 0:
        return pixels
    corruption = CORRUPTIONS[name]
    return corruption.apply(pixels, corruption.strengths[severity - 1], np.random.default_rng(zlib.crc32(id_.encode())))


def noisy(pixels: Pixels, deviation: float, random: np.random.Generator) -> Pixels:
    """Normal noise, of its own in every pixel and channel."""
    return to_bytes(pixels / 255 + deviation * random.normal(size=pixels.shape))


def blurred(pixels: Pixels, sigma: float, _: np.random.Generator) -> Pixels:
    """A Gaussian blur."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


def compressed(pixels: Pixels, quality: float, _: np.random.Generator) -> Pixels:
    """Saved as a JPEG."""
    return np.array(recompressed(int(quality))(Image.fromarray(pixels)))


def brighter(pixels: Pixels, more: float, _: np.random.Generator) -> Pixels:
    """Value (of hue, saturation, value) raised, up to 1."""
    hsv = cv2.cvtColor((pixels / 255).astype(np.float32), cv2.COLOR_RGB2HSV)  # (H, W, 3)
    hsv[..., 2] = np.minimum(hsv[..., 2] + more, 1)
    return to_bytes(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def flatter(pixels: Pixels, left: float, _: np.random.Generator) -> Pixels:
    """Every channel drawn to its mean."""
    mean = pixels.mean(axis=(0, 1)) / 255  # (3,)
    return to_bytes(mean + left * (pixels / 255 - mean))


def coarser(pixels: Pixels, scale: float, _: np.random.Generator) -> Pixels:
    """Shrunk, and enlarged again: what a smaller photograph still shows."""
    height, width = pixels.shape[:2]
    return resize(resize(pixels, (max(1, round(height * scale)), max(1, round(width * scale)))), (height, width))


def to_bytes(unit: NDArray[Any]) -> Pixels:
    """0..1, cut off beyond -> 0..255."""
    return np.round(255 * np.clip(unit, 0, 1)).astype(np.uint8)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian noise": Corruption(noisy, (0.08, 0.12, 0.18, 0.26, 0.38), "standard deviation, of values in 0..1"),
    "gaussian blur": Corruption(blurred, (1, 2, 3, 4, 6), "sigma in px"),
    "jpeg": Corruption(compressed, (25, 18, 15, 10, 7), "quality"),
    "brightness": Corruption(brighter, (0.1, 0.2, 0.3, 0.4, 0.5), "added to the value of HSV"),
    "contrast": Corruption(flatter, (0.4, 0.3, 0.2, 0.1, 0.05), "share of the contrast that is left"),
    "resolution": Corruption(coarser, (1 / 2, 1 / 4), "share of each side, then enlarged again"),
}
"""The strengths are those of ImageNet-C, in px of the photograph as it is (there 224 px); resolution is not of it."""
