"""``cutouts/<id>.png``: the objects without what was around them, on transparency or on a backdrop."""

from __future__ import annotations

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from dinoseg.outputs.format import Scene, picture

RAMP = (0.42, 0.58)
"""Soft values that become quite transparent and quite opaque; 0.5, the masks' edge, is half transparent.

Wider ramps keep the guided filter's haze around objects, narrower ones lose hair."""


def draw(scene: Scene) -> PIL.Image.Image:
    """Mode RGBA with soft alpha, or RGB over the scene's backdrop; ``(H, W)``."""
    pixels, alpha = scene.pixels, soft_alpha(scene.soft)
    if scene.backdrop is None:
        return PIL.Image.fromarray(np.dstack([pixels, np.round(255 * alpha).astype(np.uint8)]))
    behind = scene.backdrop(pixels, alpha)
    mixed = behind + alpha[..., None] * (pixels.astype(np.float32) - behind)  # (H, W, 3)
    return PIL.Image.fromarray(np.round(mixed).astype(np.uint8))


def soft_alpha(soft: NDArray[np.float32]) -> NDArray[np.float32]:
    """Opacity in 0..1 from a soft mask: the haze that a refinement leaves far from objects is cut off."""
    low, high = RAMP
    return np.clip((soft - np.float32(low)) / np.float32(high - low), 0, 1)


CUTOUTS = picture(draw)
