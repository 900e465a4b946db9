"""Every image mode and array that has a defined way to 8-bit RGB, and that way.

One rule for files, PIL images and arrays: alpha is laid over white, 16 bit is divided by 257 (so that 65535 is white),
float counts from 0 (black) to 1 (white). What has no such meaning is refused, never guessed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from dinoseg.errors import UnsupportedImage

PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
"""Modes whose colours were multiplied by alpha -> the mode that undoes it."""
SHAPES = "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"


def image_to_rgb(image: PIL.Image.Image) -> NDArray[np.uint8]:
    """A loaded PIL image of any mode -> ``(h, w, 3)`` uint8. Raises ``UnsupportedImage``."""
    if image.mode == "F" or image.mode.startswith("I;16"):
        return array_to_rgb(np.array(image))
    if image.mode == "I":
        return array_to_rgb(narrow(np.array(image)))
    try:
        if image.mode in PREMULTIPLIED:
            image = image.convert(PREMULTIPLIED[image.mode])
        return array_to_rgb(np.array(image.convert("RGBA" if image.has_transparency_data else "RGB")))
    except ValueError as error:
        raise UnsupportedImage(f"mode {image.mode} has no way to RGB; convert it first") from error


def array_to_rgb(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Array ``(H, W)`` or ``(H, W, 1 | 3 | 4)``, channels RGB(A), dtype bool, uint8, uint16, or float in 0..1 ->
    ``(H, W, 3)`` uint8; the input is left as it is. Raises ``UnsupportedImage``.
    """
    if array.ndim == 2:
        array = array[..., None]  # (H, W, 1)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise UnsupportedImage(f"array of shape {array.shape}; expected {SHAPES}")
    pixels = to_8_bit(array)
    if pixels.shape[2] == 4:
        return over_white(pixels)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)  # (H, W, 3)


def to_8_bit(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The same numbers on a scale of 0..255, rounded. Raises ``UnsupportedImage``."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(array.dtype, np.uint16):  # of either byte order
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        return float_to_8_bit(array)
    raise UnsupportedImage(f"array of {array.dtype}; expected bool, uint8, uint16, or float in 0..1")


def float_to_8_bit(array: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Float in 0..1 -> 0..255. Raises ``UnsupportedImage`` on NaN or anything outside."""
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # NaN fails every comparison
        raise UnsupportedImage(f"float values from {low:g} to {high:g}; expected 0..1 and no NaN: scale them first")
    return np.rint(array.astype(np.float32) * 255).astype(np.uint8)


def narrow(array: NDArray[np.int32]) -> NDArray[np.uint16]:
    """PIL's 32-bit mode ``I`` carries 16-bit pictures: taken as such. Raises ``UnsupportedImage`` beyond 0..65535."""
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 65535:
        raise UnsupportedImage(f"32-bit values from {low} to {high}; only 0..65535 has a defined scale")
    return array.astype(np.uint16)


def over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``(H, W, 4)`` -> ``(H, W, 3)``: what is transparent shows white paper."""
    colour, alpha = rgba[..., :3], rgba[..., 3:].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
