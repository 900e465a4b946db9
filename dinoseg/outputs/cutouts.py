"""``cutouts/<id>.png`` (or ``.webp``, ``.jpg``): the objects without what was around them, on transparency or on a
backdrop, the whole photograph or cropped to them."""

from __future__ import annotations

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from dinoseg.images.profile import read_profiled
from dinoseg.options import SUFFIXES, CutoutOptions
from dinoseg.outputs.format import ImageFormat, Scene, encoded

RAMP = (0.42, 0.58)
"""Soft values that become quite transparent and quite opaque; 0.5, the masks' edge, is half transparent.

Wider ramps keep the guided filter's haze around objects, narrower ones lose hair."""


def draw(scene: Scene) -> PIL.Image.Image:
    """Mode RGBA with soft alpha, or RGB over the scene's backdrop; ``(H, W)``, or what the look makes of it.

    A profile that is kept is the image's ``icc_profile``; without one its colours are sRGB.
    """
    opacity = soft_alpha(scene.soft)
    profiled = read_profiled(scene.segmentation.source.content) if scene.look.keep_profile else None
    if profiled is not None and profiled.pixels.shape[:2] != scene.size:  # another photograph by now
        profiled = None
    pixels, alpha = framed(profiled.pixels if profiled else scene.pixels, opacity, scene.look)
    if scene.backdrop is None:
        image = PIL.Image.fromarray(np.dstack([pixels, np.round(255 * alpha).astype(np.uint8)]))
    else:
        shown = framed(scene.pixels, opacity, scene.look)[0] if profiled else pixels  # a backdrop is sRGB
        behind = scene.backdrop(shown, alpha)
        behind = profiled.from_srgb(behind) if profiled else behind
        mixed = behind + alpha[..., None] * (pixels.astype(np.float32) - behind)  # (H, W, 3)
        image = PIL.Image.fromarray(np.round(mixed).astype(np.uint8))
    if profiled:
        image.info["icc_profile"] = profiled.profile
    return image


def soft_alpha(soft: NDArray[np.float32]) -> NDArray[np.float32]:
    """Opacity in 0..1 from a soft mask: the haze that a refinement leaves far from objects is cut off."""
    low, high = RAMP
    return np.clip((soft - np.float32(low)) / np.float32(high - low), 0, 1)


def framed(
    pixels: NDArray[np.uint8], alpha: NDArray[np.float32], look: CutoutOptions
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The photograph ``(H, W, 3)`` and its alpha ``(H, W)`` as far as they are shown.

    Beyond the photograph's border nothing is opaque, and the backdrop sees its outermost pixels again.
    """
    if not (look.crop or look.square):
        return pixels, alpha
    height, width = alpha.shape
    (top, bottom), (left, right) = frame(alpha, look)
    inside = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    around = max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0)
    pixels = np.asarray(cv2.copyMakeBorder(pixels[inside], *around, cv2.BORDER_REPLICATE), np.uint8)
    alpha = np.asarray(cv2.copyMakeBorder(alpha[inside], *around, cv2.BORDER_CONSTANT, value=0), np.float32)
    return pixels, alpha


def frame(alpha: NDArray[np.float32], look: CutoutOptions) -> list[tuple[int, int]]:
    """First and last row, then column, half open, of what is shown; they may lie beyond the photograph."""
    opaque = alpha >= 0.5  # what the masks hold; haze around them does not count
    spans = [(0, length) for length in alpha.shape]
    if look.crop and opaque.any():
        sides = [np.flatnonzero(opaque.any(axis=axis)) for axis in (1, 0)]
        spans = [(int(side[0]), int(side[-1]) + 1) for side in sides]
        margin = look.margin_of(max(stop - start for start, stop in spans))
        spans = [(start - margin, stop + margin) for start, stop in spans]
    if look.square:
        longest = max(stop - start for start, stop in spans)
        starts = [start - (longest - (stop - start)) // 2 for start, stop in spans]
        spans = [(start, start + longest) for start in starts]
    return spans


def encode(scene: Scene) -> bytes:
    """The file's content."""
    return encoded(draw(scene), scene.look.image_format, scene.look.quality)


CUTOUTS = ImageFormat(lambda look: SUFFIXES[look.image_format], encode, draw)
