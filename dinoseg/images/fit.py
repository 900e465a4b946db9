"""Onto the patch grid and exactly back: keep the aspect, scale to the token budget, pad bottom and right."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoseg.types import Fit, Photo

BUDGET = 32
"""Patches along the long side when no size is asked for."""
ENLARGE = 2.0
"""A photograph is never enlarged more than this."""


def fit(photo: Photo, patch: int, size: int | None) -> tuple[NDArray[np.uint8], Fit]:
    """Scale a photo so that its long side has ``size`` px (default: 32 patches), never enlarged more than twofold.

    Returns the scaled pixels ``(h, w, 3)``, not yet padded, and the ``Fit``. The aspect is kept, except that no side
    falls below one patch: a strip of 20000x100 px still gives every patch something to see.
    """
    height, width = photo.size
    scale = min((size or BUDGET * patch) / max(height, width), ENLARGE)
    scaled = (max(patch, round(height * scale)), max(patch, round(width * scale)))
    grid = (math.ceil(scaled[0] / patch), math.ceil(scaled[1] / patch))
    return resize(photo.pixels, scaled), Fit(photo.size, scaled, grid, patch)


def resize(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """``(H, W, 3)`` or ``(H, W)`` at ``(h, w)``: the mean of what falls together where it shrinks, else bicubic."""
    smaller = (min(size[0], pixels.shape[0]), min(size[1], pixels.shape[1]))
    for target, rule in ((smaller, cv2.INTER_AREA), (size, cv2.INTER_CUBIC)):
        if target != pixels.shape[:2]:
            pixels = np.asarray(cv2.resize(pixels, target[::-1], interpolation=rule), np.uint8)
    return pixels


def to_photo(map_: NDArray[np.float32], fit: Fit, *, nearest: bool = False) -> NDArray[np.float32]:
    """The exact way back: a map ``(mh, mw)`` over the padded frame -> ``(H, W)`` over the upright original.

    Bilinear between the centres of the map's cells, the border cells' values beyond them; with ``nearest``, the value
    of the cell that holds the pixel's centre. Padding is cut off. Constant maps stay exactly constant.
    """
    map_ = np.asarray(map_, np.float32)
    y = positions(0, map_.shape[0], fit)  # (H,)
    x = positions(1, map_.shape[1], fit)  # (W,)
    if nearest:
        return map_[np.floor(y + 0.5).astype(int)][:, np.floor(x + 0.5).astype(int)]  # (H, W)
    columns = interpolate(np.ascontiguousarray(map_.T), x)  # (W, mh)
    return interpolate(np.ascontiguousarray(columns.T), y)  # (H, W)


def patch_at(pixel: tuple[float, float], fit: Fit) -> int | None:
    """Row-major index of the patch under a pixel ``(x, y)`` of the upright original; None outside of the picture."""
    (x, y), (height, width) = pixel, fit.size
    if not (0 <= x < width and 0 <= y < height):
        return None
    row = int((int(y) + 0.5) * fit.scaled[0] / height) // fit.patch
    column = int((int(x) + 0.5) * fit.scaled[1] / width) // fit.patch
    return row * fit.grid[1] + column


def middle_of(patch: int, fit: Fit) -> tuple[int, int]:
    """The pixel ``(x, y)`` of the upright original in the middle of a patch (a row-major index), padding left out."""
    row, column = divmod(patch, fit.grid[1])
    x, y = (
        int((first * fit.patch + min((first + 1) * fit.patch, scaled)) / 2 * size / scaled)
        for first, scaled, size in ((column, fit.scaled[1], fit.size[1]), (row, fit.scaled[0], fit.size[0]))
    )
    return x, y


def positions(axis: int, cells: int, fit: Fit) -> NDArray[np.float64]:
    """Where the original's pixel centres lie among the centres of the map's cells, clamped to ``0..cells - 1``."""
    pixels = np.arange(fit.size[axis]) + 0.5
    frame = fit.grid[axis] * fit.patch  # px of the scaled and padded image
    return np.clip(pixels * (fit.scaled[axis] / fit.size[axis] * cells / frame) - 0.5, 0, cells - 1)


def interpolate(rows: NDArray[np.float32], at: NDArray[np.float64]) -> NDArray[np.float32]:
    """Linear interpolation between rows: ``(n, m)`` at ``(k,)`` fractional indices in ``0..n - 1`` -> ``(k, m)``."""
    below = at.astype(int)
    weight = (at - below).astype(np.float32)[:, None]  # (k, 1)
    steps = np.diff(rows, axis=0, append=rows[-1:])  # (n, m)
    result = steps[below]  # (k, m)
    result *= weight
    result += rows[below]
    return result
