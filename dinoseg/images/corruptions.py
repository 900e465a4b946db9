"""What photographs suffer: corruptions of ImageNet-C (Hendrycks and Dietterich 2019), and a lower resolution."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinoseg.errors import OptionError
from dinoseg.images.fit import resize
from dinoseg.registry import unknown

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


class Condition(NamedTuple):
    """A corruption at one severity."""

    name: str
    """One of ``CORRUPTIONS``."""
    severity: int
    """From 1; 0 is the photograph as it is."""

    def __str__(self) -> str:
        """As ``parse_condition`` reads it."""
        return f"{self.name}:{self.severity}"

    @property
    def line(self) -> str:
        """The line of a report's page that names it."""
        corruption = CORRUPTIONS[self.name]
        strength = f"{corruption.strengths[self.severity - 1]:g}, {corruption.meaning}"
        return f"- photographs: {self.name} of severity {self.severity} ({strength})"


def parse_condition(text: str | None) -> Condition | None:
    """``NAME:SEVERITY``, or ``NAME`` for the middle severity; None for None.

    Raises ``OptionError`` with what there is.
    """
    if text is None:
        return None
    name, colon, number = text.partition(":")
    if name not in CORRUPTIONS:
        raise OptionError(unknown(f"--corrupt {text}: the corruption {name!r} is unknown.", name, CORRUPTIONS))
    most = len(CORRUPTIONS[name].strengths)
    severity = int(number) if number.isdecimal() else 0 if colon else most // 2 + 1
    if not 1 <= severity <= most:
        raise OptionError(f"--corrupt {text} is out of range: severities of {name} are 1..{most}.")
    return Condition(name, severity)


def corrupted(pixels: Pixels, condition: Condition, id_: str) -> Pixels:
    """A photograph ``(H, W, 3)`` under a condition.

    The same id is spoiled in the same way in every run, with the same noise at every severity.
    """
    if condition.severity == 0:
        return pixels
    corruption = CORRUPTIONS[condition.name]
    strength = corruption.strengths[condition.severity - 1]
    return corruption.apply(pixels, strength, np.random.default_rng(zlib.crc32(id_.encode())))


def gaussian_noise(pixels: Pixels, deviation: float, random: np.random.Generator) -> Pixels:
    """Normal noise added, independent in every pixel and channel; ``deviation`` of values in 0..1."""
    return to_bytes(pixels / 255 + deviation * random.normal(size=pixels.shape))


def gaussian_blur(pixels: Pixels, sigma: float, _: np.random.Generator) -> Pixels:
    """Convolved with a Gaussian of standard deviation ``sigma`` px."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


def jpeg(pixels: Pixels, quality: float, _: np.random.Generator) -> Pixels:
    """Saved as a JPEG of that quality (0..100) and read again."""
    return np.array(recompressed(Image.fromarray(pixels), int(quality)))


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    """Saved as a JPEG of that quality (0..100) and read again."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def brightness(pixels: Pixels, more: float, _: np.random.Generator) -> Pixels:
    """Value (of hue, saturation, value) raised, up to 1."""
    hsv = cv2.cvtColor((pixels / 255).astype(np.float32), cv2.COLOR_RGB2HSV)  # (H, W, 3)
    hsv[..., 2] = np.minimum(hsv[..., 2] + more, 1)
    return to_bytes(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def contrast(pixels: Pixels, left: float, _: np.random.Generator) -> Pixels:
    """Every channel drawn to its mean."""
    mean = pixels.mean(axis=(0, 1)) / 255  # (3,)
    return to_bytes(mean + left * (pixels / 255 - mean))


def resolution(pixels: Pixels, scale: float, _: np.random.Generator) -> Pixels:
    """Shrunk, and enlarged again: what a smaller photograph still shows."""
    height, width = pixels.shape[:2]
    return resize(resize(pixels, (max(1, round(height * scale)), max(1, round(width * scale)))), (height, width))


def to_bytes(unit: NDArray[Any]) -> Pixels:
    """0..1, cut off beyond -> 0..255."""
    return np.round(255 * np.clip(unit, 0, 1)).astype(np.uint8)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian-noise": Corruption(
        gaussian_noise, (0.08, 0.12, 0.18, 0.26, 0.38), "standard deviation, of values in 0..1"
    ),
    "gaussian-blur": Corruption(gaussian_blur, (1, 2, 3, 4, 6), "sigma in px"),
    "jpeg": Corruption(jpeg, (25, 18, 15, 10, 7), "quality"),
    "brightness": Corruption(brightness, (0.1, 0.2, 0.3, 0.4, 0.5), "added to the value of HSV"),
    "contrast": Corruption(contrast, (0.4, 0.3, 0.2, 0.1, 0.05), "share of the contrast that is left"),
    "resolution": Corruption(resolution, (1 / 2, 1 / 4), "share of each side, then enlarged again"),
}
"""The strengths are those of ImageNet-C, in px of the photograph as it is (there 224 px); resolution is not of it."""
