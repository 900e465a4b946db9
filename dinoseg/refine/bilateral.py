"""``bilateral``: the fast bilateral solver (Barron and Poole 2016), with the parameters of TokenCut and FOUND."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import cg

from dinoseg.refine.frame import at_working_size
from dinoseg.types import Fit, Photo

SIGMAS = (16, 16, 8)
"""Of a vertex of the grid: px, and grey levels of luma and of chroma."""
SMOOTHNESS = 256
"""Lambda: what a difference between neighbours costs, beside one from the target."""
CONFIDENCE = 0.999
ROUNDS = 10  # of bistochastisation
ITERATIONS = 25
"""Of the solver, which is stopped and not converged, as published."""
YUV = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
"""Full-range BT.601."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The occupied vertices of a simplified bilateral grid (their section 2.2)."""

    vertex: NDArray[np.intp]
    """Of each pixel, ``(h w,)``, among ``V``."""
    neighbours: csr_array
    """``(V, V)``: 1 where two vertices differ by one step of one of the five coordinates."""

    def splat(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over the pixels of each vertex: ``(h w,)`` -> ``(V,)``."""
        return np.asarray(np.bincount(self.vertex, values, self.neighbours.shape[0]), np.float64)

    def blur(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(V,)``: [1 2 1] along each coordinate, summed."""
        return 10 * values + self.neighbours @ values


def make_grid(pixels: NDArray[np.uint8], sigmas: tuple[float, float, float]) -> Grid:
    """The grid of an RGB image ``(h, w, 3)`` over x, y, luma and two chromas."""
    height, width = pixels.shape[:2]
    spatial, luma, chroma = sigmas
    colours = np.tensordot(pixels.astype(np.float64), YUV, (2, 1)) + np.array((0, 128, 128))  # (h, w, 3)
    y, x = np.mgrid[:height, :width]
    parts = [x / spatial, y / spatial, *np.moveaxis(colours / (luma, chroma, chroma), 2, 0)]
    cells = [part.astype(np.int64).ravel() + 1 for part in parts]  # + 1: no step down leaves its own coordinate
    sides = np.cumprod([1, *(int(part.max()) + 2 for part in cells[:-1])])  # what one step adds to a key, (5,)
    keys, vertex = np.unique(sum(part * side for part, side in zip(cells, sides, strict=True)), return_inverse=True)
    return Grid(vertex, adjacency(keys, sides))


def adjacency(keys: NDArray[np.int64], sides: NDArray[np.int64]) -> csr_array:
    """``(V, V)``: which of the sorted ``keys`` are one step of one coordinate apart."""
    rows, columns = [], []
    for side in sides:
        found = np.minimum(np.searchsorted(keys, keys + side), len(keys) - 1)  # (V,)
        there = np.flatnonzero(keys[found] == keys + side)
        rows += [there, found[there]]
        columns += [found[there], there]
    where = (np.concatenate(rows), np.concatenate(columns))
    return csr_array((np.ones(len(where[0])), where), shape=(len(keys), len(keys)))


def bistochastic(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The diagonals n and m ``(V,)`` for which n blur(n) = m is nearly each vertex's number of pixels (algorithm 1)."""
    m = grid.splat(np.ones(len(grid.vertex)))
    n = np.ones_like(m)
    for _ in range(ROUNDS):
        n = np.sqrt(n * m / grid.blur(n))
    return n, n * grid.blur(n)


def bilateral_solver(soft: NDArray[np.float32], photo: Photo, fit: Fit) -> NDArray[np.float32]:
    """The mask ``(mh, mw)`` over the padded frame, smooth but for edges of the photo, ``(H, W)`` in 0..1.

    The target is the mask, not the soft map: as published, and a little better.
    """

    def refined(mask: NDArray[np.float32], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return solve((mask > 0.5).astype(np.float32), pixels)

    return at_working_size(refined, soft, photo, fit)


def solve(
    target: NDArray[np.float32], pixels: NDArray[np.uint8], sigmas: tuple[float, float, float] = SIGMAS
) -> NDArray[np.float32]:
    """The map near ``target`` ``(h, w)`` that is smooth but for edges of an RGB image (equations 1 to 6)."""
    grid = make_grid(pixels, sigmas)
    n, m = bistochastic(grid)
    near = grid.splat(np.full(len(grid.vertex), CONFIDENCE))  # (V,)
    wanted = grid.splat(CONFIDENCE * target.ravel().astype(np.float64))
    scale = diags_array(n)
    smooth = diags_array(m - 10 * n * n) - scale @ grid.neighbours @ scale  # (V, V)
    matrix = (SMOOTHNESS * smooth + diags_array(near)).tocsr()
    jacobi = diags_array(1 / np.maximum(matrix.diagonal(), 1e-5))
    result, _ = cg(matrix, wanted, x0=wanted / near, M=jacobi, maxiter=ITERATIONS, rtol=1e-5, atol=0)
    return np.asarray(result[grid.vertex].reshape(target.shape), np.float32)
