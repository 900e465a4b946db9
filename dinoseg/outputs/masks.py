"""``masks/<id>.png``: one grey picture per image, 255 where there is any object and 0 elsewhere."""

from __future__ import annotations

import numpy as np
import PIL.Image

from dinoseg.outputs.format import Scene, picture


def draw(scene: Scene) -> PIL.Image.Image:
    """The union of all objects, mode L, ``(H, W)``; all 0 when there is no object."""
    return PIL.Image.fromarray(np.where(scene.labels > 0, np.uint8(255), np.uint8(0)))


MASKS = picture(draw)
