"""What lies where on the patch grid: border, components, neighbourhood.

``scipy.ndimage`` is loaded by those who need it: the methods that most runs use do not, and start sooner.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def border_of(grid: tuple[int, ...]) -> NDArray[np.bool_]:
    """The outermost cells of a grid ``(gh, gw)``."""
    border = np.ones(grid, bool)
    border[1:-1, 1:-1] = False
    return border


def components(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The 4-connected components of a mask, each as a mask of the same shape, in reading order."""
    from scipy.ndimage import label

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
    if not blur:
        return maps
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(maps, blur, mode="nearest", axes=(-2, -1))


def trimmed(mask: NDArray[np.bool_], erode: int = 2, dilate: int = 3) -> NDArray[np.bool_]:
    """A region ``(gh, gw)`` without its threads, then grown: the region that deep spectral methods describe by a crop.

    Erosions, then dilations, with the cross of 4 neighbours; what lies outside of the grid counts as inside when it
    erodes. An erosion that would leave nothing is not done.
    """
    from scipy.ndimage import binary_dilation, binary_erosion

    for _ in range(erode):
        smaller = binary_erosion(mask, border_value=1)
        mask = smaller if smaller.any() else mask
    return binary_dilation(mask, iterations=dilate) if dilate else mask
