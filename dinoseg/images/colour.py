"""Every image mode and array that has a defined way to 8-bit RGB, and that way.

One rule for files, PIL images and arrays: alpha is laid over white; 8 bit stays; 16 bit counts from 0 (black) to 65535
(white), float from 0 to 1. Where the values take up less than a quarter of that scale, as those of 12-bit and thermal
cameras do, or leave it, black and white are the darkest and the brightest that are there. ``value_range`` names black
and white instead, the same for all pictures. Colours of a known profile become sRGB. What has no meaning is refused.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageCms

from dinoseg.errors import UnsupportedImage

PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
"""Modes whose colours were multiplied by alpha -> the mode that undoes it."""
PROFILED = {"L": "RGB", "RGB": "RGB", "RGBA": "RGBA", "CMYK": "RGB"}
"""Modes whose colour profile is followed -> the mode that this leads to."""
SHAPES = "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
SMALL = 0.25
"""Share of the scale below which values are stretched: 14 bit in 16 are just that."""
OUTLIERS = 0.1
"""Percentage of the values at either end that do not count: dead and hot pixels."""
SAMPLE = 2**20
"""Values from which the outliers are told; of more, every few rows and columns are looked at."""
ValueRange = tuple[float, float]


class Coloured(NamedTuple):
    """A picture in 8-bit RGB."""

    pixels: NDArray[np.uint8]
    """``(H, W, 3)``, contiguous and writable."""
    notes: list[str]
    """What had to be done to the values."""


def image_to_rgb(
    image: PIL.Image.Image, value_range: ValueRange | None = None, colours: NDArray[np.uint16] | None = None
) -> Coloured:
    """A loaded PIL image of any mode -> ``(h, w, 3)`` uint8; ``colours`` ``(h, w, 3 | 4)`` go before its own.

    Raises ``UnsupportedImage``.
    """
    if colours is not None:
        pixels, stretched = array_to_rgb(colours, value_range)
        narrow_image = PIL.Image.fromarray(pixels)
        narrow_image.info = {"icc_profile": image.info.get("icc_profile")}
        narrow_image, notes = to_srgb(narrow_image)
        return Coloured(np.array(narrow_image), stretched + notes)
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        values = np.array(image)
        return array_to_rgb(narrow(values) if image.mode == "I" else values, value_range)
    try:
        if image.mode in PREMULTIPLIED:
            image = image.convert(PREMULTIPLIED[image.mode])
        image, notes = to_srgb(image)
        pixels = np.array(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    except ValueError as error:
        raise UnsupportedImage(f"mode {image.mode} has no way to RGB; convert it first") from error
    return Coloured(array_to_rgb(pixels).pixels, notes)


def to_srgb(image: PIL.Image.Image) -> tuple[PIL.Image.Image, list[str]]:
    """The picture with its colour profile followed to sRGB, and a note where that was to be done."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image, []
    if image.mode in ("P", "LA"):  # profiles speak of the colours, not of the palette's numbers
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode not in PROFILED:
        return image, [f"colour profile not followed: mode {image.mode}"]
    try:
        name, transform = profile_transform(profile, image.mode)
        if transform is None:
            return image, []
        return ImageCms.applyTransform(image, transform) or image, [f"from {name} to sRGB"]
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # of another mode than the picture, or damaged
        return image, ["colour profile unreadable"]


@lru_cache(maxsize=16)
def profile_transform(profile: bytes, mode: str) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """Name of an ICC profile and the way from it to sRGB; None where it is sRGB. Raises what Pillow raises."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    name = " ".join(ImageCms.getProfileDescription(source).split()) or "a colour profile"
    if "srgb" in name.lower():
        return name, None
    target = ImageCms.createProfile("sRGB")
    return name, ImageCms.buildTransform(source, target, mode, PROFILED[mode], ImageCms.Intent.RELATIVE_COLORIMETRIC)


def array_to_rgb(array: NDArray[Any], value_range: ValueRange | None = None) -> Coloured:
    """Array ``(H, W)`` or ``(H, W, 1 | 3 | 4)``, channels RGB(A), of numbers -> ``(H, W, 3)`` uint8.

    ``value_range``: the values that are black and white, for all but 8-bit and bool arrays. The input is left as it is.
    Raises ``UnsupportedImage``.
    """
    if array.ndim == 2:
        array = array[..., None]  # (H, W, 1)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise UnsupportedImage(f"array of shape {array.shape}; expected {SHAPES}")
    colour, notes = to_8_bit(array[..., :3], value_range)
    if array.shape[2] == 4:
        colour = over_white(colour, to_8_bit(array[..., 3:], (0, full_scale(array)))[0])
    pixels = np.repeat(colour, 3, axis=2) if colour.shape[2] == 1 else colour
    return Coloured(np.require(pixels, requirements=["C", "W"]), notes)  # (H, W, 3)


def to_8_bit(array: NDArray[Any], value_range: ValueRange | None) -> tuple[NDArray[np.uint8], list[str]]:
    """The same numbers on a scale of 0..255, rounded, and a note where it is not their usual one.

    Raises ``UnsupportedImage`` for NaN, infinity and what is no number.
    """
    if array.dtype == np.uint8:
        return array, []
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255), []
    if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
        raise UnsupportedImage(f"array of {array.dtype}; expected bool, whole numbers or floats")
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        raise UnsupportedImage("float values that are NaN or infinite; replace them first")
    if value_range is not None:
        return scaled(array, *value_range), []
    low, high = limits(array)
    full = full_scale(array)
    if low == high or (array.min() >= 0 and array.max() <= full and high - low >= SMALL * full):
        return scaled(array, 0, full), []
    return scaled(array, low, high), [f"values stretched: {low:g} to {high:g} are black and white"]


def full_scale(array: NDArray[Any]) -> float:
    """What is white where nothing else says: 1 in floats, 255 in bytes and truth values, else 65535."""
    if np.issubdtype(array.dtype, np.floating):
        return 1.0
    return 255.0 if array.dtype.itemsize == 1 else 65535.0


def limits(array: NDArray[Any]) -> ValueRange:
    """The darkest and the brightest value, outliers left out; all of them where only outliers differ."""
    step = max(1, int((array.size / SAMPLE) ** 0.5))
    low, high = np.percentile(array[::step, ::step], (OUTLIERS, 100 - OUTLIERS), method="nearest")
    return (float(low), float(high)) if low < high else (float(array.min()), float(array.max()))


def scaled(array: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values from ``low`` to ``high`` as 0..255; what is beyond is black or white."""
    short = array.dtype.itemsize <= 2 or array.dtype == np.float32
    values: NDArray[np.floating[Any]] = array.astype(np.float32 if short else np.float64)
    values -= low
    values *= 255 / (high - low)
    return np.rint(values.clip(0, 255, out=values), out=values).astype(np.uint8)


def narrow(array: NDArray[np.int32]) -> NDArray[Any]:
    """PIL's 32-bit mode ``I`` carries 16-bit pictures: taken as such where the values allow it."""
    return array.astype(np.uint16) if array.min() >= 0 and array.max() <= 65535 else array


def over_white(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``(H, W, 3)`` with an opacity ``(H, W, 1)`` -> ``(H, W, 3)``: what is transparent shows white paper."""
    wide = alpha.astype(np.uint16)
    return ((colour * wide + 255 * (255 - wide) + 127) // 255).astype(np.uint8)
