"""Where refinements work whose parameters are in px: at a bounded size, then up with the photograph as a guide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dinoseg.images.fit import resize, to_photo
from dinoseg.refine.guided import fitted
from dinoseg.types import Fit, Photo

SIDE = 480
"""px of the long side: for photographs of about this size the published parameters were made."""
RADIUS = 2
"""px at working size: how far the way up may move an edge."""


def at_working_size(
    refine: Callable[[NDArray[np.float32], NDArray[np.uint8]], NDArray[np.float32]],
    soft: NDArray[np.float32],
    photo: Photo,
    fit: Fit,
) -> NDArray[np.float32]:
    """A map over the padded frame -> ``(H, W)`` in 0..1, through ``refine(mask (h, w), RGB (h, w, 3))`` -> ``(h, w)``.

    Memory and time of ``refine`` do not grow with the photograph.
    """
    scale = min(1.0, SIDE / max(photo.size))
    size = (max(1, round(photo.size[0] * scale)), max(1, round(photo.size[1] * scale)))
    refined = refine(to_photo(soft, replace(fit, size=size)), resize(photo.pixels, size))
    return refined.clip(0, 1) if size == photo.size else fitted(refined, photo, RADIUS)
