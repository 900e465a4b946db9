"""``labels/<id>.png``: label k is object k, in the palette of PASCAL VOC."""

from __future__ import annotations

import numpy as np
import PIL.Image

from dinoseg.draw.colours import voc_palette
from dinoseg.outputs.format import Scene, picture

MOST = 254
"""Objects that a label picture holds: 255 is VOC's void. The lowest scores are left out beyond."""


def draw(scene: Scene) -> PIL.Image.Image:
    """The label map, mode P, ``(H, W)``: 0 background, 1..n objects in falling order of score."""
    labels = np.where(scene.labels <= MOST, scene.labels, 0).astype(np.uint8)
    image = PIL.Image.fromarray(labels)
    image.putpalette(voc_palette().tobytes())
    return image


LABELS = picture(draw)
