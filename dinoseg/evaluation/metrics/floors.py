"""What a score must beat: masks drawn without looking at the picture."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dinoseg.evaluation.metrics.masks import Mask


@lru_cache(maxsize=8)
def centred_ellipse(size: tuple[int, int]) -> Mask:
    """The ellipse with half-axes of 0.4 of each side, ``(H, W)``."""
    y, x = ((np.arange(side) + 0.5) / side - 0.5 for side in size)
    return (y[:, None] / 0.4) ** 2 + (x / 0.4) ** 2 <= 1


@lru_cache(maxsize=8)
def whole_image(size: tuple[int, int]) -> Mask:
    """The mask of every pixel, ``(H, W)``: a floor."""
    return np.ones(size, bool)


FLOORS = {"centred ellipse": centred_ellipse, "whole image": whole_image}
"""Name -> mask of a size; both are scored beside every method."""
