"""Gaussian filtering in many dimensions on a permutohedral lattice (Adams, Baek and Davis 2010).

The lattice is all integer vectors of d + 1 coordinates, where those that differ by a multiple of (1, ..., 1) are one:
a vertex's key is a scalar product that does not change along (1, ..., 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


class Lattice:
    """A Gaussian of deviation 1 over ``N`` points in ``d`` dimensions, times a constant."""

    def __init__(self, points: NDArray[np.float32]) -> None:
        """``points``: ``(N, d)``, in deviations."""
        raised = points @ elevation(points.shape[1])  # (N, d + 1)
        below = np.floor(raised)
        sides = key_of(below)  # (d + 1,)
        corners, weights = simplices(below, raised - below, sides)  # (N, d + 1)
        keys, vertex = numbered(corners.ravel())
        starts = np.arange(0, corners.size + 1, corners.shape[1], dtype=np.int32)
        self.slice = csr_array((weights.ravel(), vertex, starts), shape=(len(points), len(keys)))  # (N, V)
        self.neighbours = [neighbours(keys, int(side)) for side in sides]

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(N,)`` -> ``(N,)``: splat, blur along each axis of the lattice, slice."""
        vertices = self.slice.T @ values  # (V,)
        for lower, upper in self.neighbours:
            vertices = blurred(vertices, lower, upper)
        return np.asarray(self.slice @ vertices, np.float32)


def elevation(d: int) -> NDArray[np.float32]:
    """``(d, d + 1)``: onto the plane whose coordinates sum to 0, where splat, blur and slice have deviation 1."""
    rows = np.tril(np.ones((d, d + 1)))
    rows[np.arange(d), np.arange(1, d + 1)] = -np.arange(1, d + 1)
    scale = np.sqrt(2 / 3) / np.sqrt(np.arange(1, d + 1) * np.arange(2, d + 2))
    return np.asarray(rows * scale[:, None], np.float32)


def key_of(below: NDArray[np.float32]) -> NDArray[np.int64]:
    """``(d + 1,)``, sum 0: the scalar product with it tells all vertices near ``below`` ``(N, d + 1)`` apart."""
    across = below[:, :-1] - below[:, -1:]  # (N, d)
    widths = (across.max(axis=0) - across.min(axis=0)).astype(np.int64) + 6  # corners are 1 further, steps 2
    sides = np.cumprod([1, *widths[:-1]])
    return np.append(sides, -sides.sum())


def simplices(
    below: NDArray[np.float32], rest: NDArray[np.float32], sides: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keys and weights ``(N, d + 1)`` of the vertices around each point, which is ``below`` + ``rest``.

    They are ``below``, and that with the coordinates of largest rest raised by 1, one after the other.
    """
    order = np.argsort(-rest, axis=1)  # (N, d + 1)
    falling = np.take_along_axis(rest, order, axis=1)
    weights = np.roll(falling, 1, axis=1) - falling
    weights[:, 0] += 1
    corners = np.empty(order.shape, np.int64)
    corners[:, 0] = below.astype(np.int64) @ sides
    corners[:, 1:] = sides[order[:, :-1]]
    return corners.cumsum(axis=1), weights


def numbered(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Sorted unique keys, and the number of each key among them; one plain sort, faster than ``np.unique``."""
    lowest, bits = keys.min(), len(keys).bit_length()
    packed = np.sort(keys - lowest << bits | np.arange(len(keys)))
    ordered = packed >> bits
    first = np.diff(ordered, prepend=-1) > 0
    number = np.empty(len(keys), np.int32)
    number[packed & (1 << bits) - 1] = np.cumsum(first) - 1
    return ordered[first] + lowest, number


def neighbours(keys: NDArray[np.int64], step: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Where in the sorted ``keys`` is what is ``step`` less than each, and more, ``(V,)`` both; ``V`` for nowhere."""
    found = np.searchsorted(keys, keys + step) % len(keys)  # (V,)
    there = np.flatnonzero(keys[found] == keys + step)
    lower, upper = np.full((2, len(keys)), len(keys), np.int32)
    upper[there] = found[there]
    lower[found[there]] = there
    return lower, upper


def blurred(values: NDArray[np.float32], lower: NDArray[np.int32], upper: NDArray[np.int32]) -> NDArray[np.float32]:
    """``(V,)``: [1 2 1] / 2 along one axis."""
    extended = np.append(values, np.float32(0))  # the last stands for all vertices that are not occupied
    return values + (extended.take(lower) + extended.take(upper)) * np.float32(0.5)
