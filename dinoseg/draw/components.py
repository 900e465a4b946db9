"""Three components of patch features as colours, beside the photograph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from dinoseg.draw.contact import PAPER
from dinoseg.images.fit import resize, to_photo
from dinoseg.types import Fit

LONGEST = 640  # px of the long side of each of the two
GAP = 8  # px between them
TINY = np.finfo(np.float32).tiny


def components_picture(
    pixels: NDArray[np.uint8], colours: NDArray[np.float64], objects: NDArray[np.float32], fit: Fit
) -> PIL.Image.Image:
    """The photograph ``(h, w, 3)`` and right of it the colours ``(gh, gw, 3)`` in 0..1 of its object, the rest black.

    ``objects`` is soft, ``(gh, gw)`` in 0..1; both maps are over the padded frame.
    """
    scale = min(1.0, LONGEST / max(fit.size))
    height, width = (max(1, round(side * scale)) for side in fit.size)
    small = replace(fit, size=(height, width))
    inside = (objects > 0.5).astype(np.float32)  # (gh, gw): colours of the background must not bleed in
    share = to_photo(inside, small)  # (h, w)
    channels = [to_photo(inside * channel.astype(np.float32), small) for channel in np.moveaxis(colours, -1, 0)]
    drawn = np.stack(channels, axis=-1) / np.maximum(share, TINY)[..., None]  # (h, w, 3)
    drawn[(to_photo(objects, small) <= 0.5) | (share == 0)] = 0
    page = PIL.Image.new("RGB", (2 * width + GAP, height), PAPER)
    page.paste(PIL.Image.fromarray(resize(pixels, (height, width))), (0, 0))
    page.paste(PIL.Image.fromarray(np.round(255 * drawn.clip(0, 1)).astype(np.uint8)), (width + GAP, 0))
    return page
