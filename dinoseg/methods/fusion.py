"""Several attention heads as one map to cut masks from, without labels.

What a person is shown is fused by ``dinoseg.attention.fuse``, which leaves the values as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinoseg.methods.grid import border_of, smooth

ROUNDING = 1e-9
"""Clearance below this is what rounding leaves of 0."""


def fuse_heads(attention: NDArray[np.float64], blur: float = 1.0, *, evenly: bool = False) -> NDArray[np.float64]:
    """CLS attention ``(heads, gh, gw)`` -> one map ``(gh, gw)``, at least 0.

    The square root keeps single patches of high norm (Darcet et al. 2024) from outshining an object, ``blur`` (sigma
    in patches) joins what lies together; each head then has mean 1 and counts by how little of it lies on the border,
    or as much as any other.
    """
    maps = smooth(np.sqrt(attention), blur)
    maps /= maps.mean(axis=(1, 2), keepdims=True) + np.finfo(np.float64).tiny
    weights = border_clearance(maps)
    if evenly or weights.max() < ROUNDING:  # a grid that is all border says nothing of any head
        weights = np.ones(len(maps))
    return np.average(maps, axis=0, weights=weights)


def border_clearance(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 minus the mean over the border's patches, at least 0, for each of ``(heads, gh, gw)`` of mean 1."""
    border = border_of(maps.shape[1:])
    return np.maximum(1 - maps[:, border].mean(axis=1), 0)
