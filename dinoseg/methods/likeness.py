"""How alike the patches of an image look, as weights: what they share by them, and which of them are background."""

from __future__ import annotations

import math
from typing import Any

import array_api_compat
import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from dinoseg.backbone.features import Array
from dinoseg.methods.grid import border_of

FLAT = 1e-4
"""Likeness nearer than this to 0 or 1 is that."""
CELLS = 2**27
"""Entries of the graphs that are made at once on a GPU: 512 MiB."""
ZERO = 1e-12
"""Length below which a feature has no direction."""


def object_maps(
    features: Array,
    attention: Array,
    grid: tuple[int, int],
    *,
    power: float,
    reach: float,
    attended: float = math.inf,
) -> tuple[Array, NDArray[np.bool_]]:
    """Attention less what is like the border, shared among the patches that look alike.

    From features ``(B, N, d)`` and maps ``(B, m, N)`` of the same library and device to maps ``(B, m, N)``, and whether
    all patches of an image are alike, or none, ``(B,)``: its maps mean nothing then. As many images at once as fit.
    ``attended``: attention on the border from which that is no background (of the first map; see ``attention-cut``).
    """
    xp = array_namespace(features)
    step = graphs_at_once(array_api_compat.device(features), features.shape[1])
    shared, degenerate = [], []
    for first in range(0, features.shape[0], step):
        alike = Likeness.of(features[first : first + step], power)
        maps = attention[first : first + step]
        border = None if attended == math.inf else alike.unattended(maps[:, :1], grid, attended)
        shared.append(alike.share(maps * (1 - alike.background(grid, reach, border))[:, None]))
        degenerate += alike.degenerate
    return xp.concat(shared), np.array(degenerate, bool)


def graphs_at_once(device: Any, count: int) -> int:
    """How many graphs of so many patches are made together.

    On the CPU one, which stays in the cache, and whose rounding is then that of the image alone.
    """
    return 1 if str(device) == "cpu" else max(1, CELLS // count**2)


def raised(array: Array, power: float) -> Array:
    """An array to a power above 0; whole powers by squaring, which is five times faster in numpy."""
    if power != int(power):
        return array**power
    result, square, left = None, array, int(power)
    while True:
        if left & 1:
            result = square if result is None else result * square
        left >>= 1
        if not left:
            return result
        square = square * square


class Likeness:
    """The patches of some images: positive cosines to a power, ``(B, N, N)``; the higher, the more alike they must be.

    ``area`` is how many patches look like each, ``(B, N)``.
    """

    def __init__(self, weights: Array) -> None:
        self.xp = array_namespace(weights)
        self.weights = weights
        self.area = self.xp.sum(weights, axis=-1)

    @classmethod
    def of(cls, features: Array, power: float) -> Likeness:
        """The likeness of features ``(B, N, d)``."""
        xp = array_namespace(features)
        length = xp.linalg.vector_norm(features, axis=-1, keepdims=True)
        rows = features / xp.clip(length, min=ZERO)
        weights = raised(xp.clip(rows @ xp.matrix_transpose(rows), min=0), power)  # (B, N, N)
        each = xp.arange(weights.shape[-1])
        weights[:, each, each] = 1  # a feature of zeros is like itself
        return cls(weights)

    @property
    def degenerate(self) -> list[bool]:
        """Whether all patches of an image are alike, or none: rounding left out."""
        xp = self.xp
        alike = xp.min(self.weights, axis=(-2, -1)) > 1 - FLAT
        return [bool(each) for each in alike | (xp.max(self.area, axis=-1) < 1 + FLAT)]

    def share(self, maps: Array) -> Array:
        """Each of the maps ``(B, m, N)`` with every patch at the mean of those that look like it."""
        return maps @ self.weights / self.area[:, None]

    def unattended(self, maps: Array, grid: tuple[int, int], attended: float) -> Array:
        """How much each patch of the border counts as background, ``(B, border)`` in 0..1: little where attention
        ``(B, 1, N)`` goes there or to its like."""
        shared = self.share(maps)[:, 0]  # (B, N)
        mean = self.xp.mean(shared, axis=-1, keepdims=True)
        on_border = self.xp.take(shared / self.xp.clip(mean, min=ZERO), self.border(grid), axis=-1)
        return self.xp.clip(attended - on_border, min=0, max=1)

    def border(self, grid: tuple[int, int]) -> Array:
        """Places of the border's patches among all."""
        return self.xp.asarray(border_of(grid).ravel().nonzero()[0], device=array_api_compat.device(self.weights))

    def background(self, grid: tuple[int, int], reach: float, counts: Array | None = None) -> Array:
        """How likely each patch of the grid is background, ``(B, N)`` in 0..1, because its like lie on the border.

        From boundary connectivity (Zhu et al. 2014, equations 3 to 6): likeness to the border over the root of
        likeness to all, here in units of what it is where all patches are alike. ``reach``: the connectivity at which
        the probability is 1 - exp(-1/2). ``counts``: of each patch of the border, ``(B, border)`` (default: 1).
        """
        xp, where = self.xp, self.border(grid)
        to_border = xp.take(self.weights, where, axis=-1)  # (B, N, border)
        length = xp.sum(to_border if counts is None else to_border * counts[:, None], axis=-1)  # (B, N)
        connectivity = length / xp.sqrt(self.area) / (where.shape[0] / self.area.shape[-1] ** 0.5)
        return 1 - xp.exp(-0.5 * (connectivity / reach) ** 2)
