"""What lies where on the patch grid: border, components, neighbourhood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, label


def border_of(grid: tuple[int, ...]) -> NDArray[np.bool_]:
    """The outermost cells of a grid ``(gh, gw)``."""
    border = np.ones(grid, bool)
    border[1:-1, 1:-1] = False
    return border


def components(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The 4-connected components of a mask, each as a mask of the same shape, in reading order."""
    labels, count = label(mask)
    return [labels == number for number in range(1, count + 1)]


def component_at(mask: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """The 4-connected component that holds cell ``seed`` (in reading order) of the mask."""
    return next(piece for piece in components(mask) if piece.flat[seed])


def largest(pieces: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """The piece of most cells, the first of equals."""
    return max(pieces, key=np.count_nonzero)


def smooth(maps: NDArray[np.float64], blur: float) -> NDArray[np.float64]:
    """Gaussian of ``blur`` cells (sigma; 0: none) over each of ``(..., gh, gw)``."""
    return gaussian_filter(maps, blur, mode="nearest", axes=(-2, -1)) if blur else maps
