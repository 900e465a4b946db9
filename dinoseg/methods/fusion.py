"""Several attention heads as one map to cut masks from, without labels.

What a person is shown is fused by ``dinoseg.attention.fuse``, which leaves the values as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinoseg.methods.graph import unit
from dinoseg.methods.grid import border_of, smooth


def fuse_heads(
    attention: NDArray[np.float64], blur: float = 1.0, alike: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """CLS attention ``(heads, gh, gw)`` -> one map ``(gh, gw)``, at least 0.

    The square root keeps single patches of high norm (Darcet et al. 2024) from outshining an object, ``blur`` (sigma
    in patches) joins what lies together, ``alike`` (see ``likeness``) what looks alike; each head then has mean 1 and
    counts by how little of it lies on the border.
    """
    maps = smooth(np.sqrt(attention), blur)
    if alike is not None:
        maps = shared(maps, alike)
    maps /= maps.mean(axis=(1, 2), keepdims=True) + np.finfo(np.float64).tiny
    weights = border_clearance(maps)
    if not weights.any():
        weights = np.ones(len(maps))
    return np.average(maps, axis=0, weights=weights)


def likeness(features: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """How much each patch of ``(N, d)`` counts for each, ``(N, N)``, every row with sum 1.

    Positive cosines to the ``power``: the higher, the more alike a patch must be. A feature of zeros is like itself.
    """
    rows = unit(features)
    weights = np.maximum(rows @ rows.T, 0) ** power
    np.fill_diagonal(weights, 1)
    return weights / weights.sum(axis=1, keepdims=True)


def shared(maps: NDArray[np.float64], alike: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each of the maps ``(..., gh, gw)`` with every patch at the mean of those that look like it."""
    return (maps.reshape(*maps.shape[:-2], -1) @ alike.T).reshape(maps.shape)


def border_clearance(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 minus the mean over the border's patches, at least 0, for each of ``(heads, gh, gw)`` of mean 1."""
    border = border_of(maps.shape[1:])
    return np.maximum(1 - maps[:, border].mean(axis=1), 0)
