"""The graph of positive cosines and like colours, and its lowest eigenvectors (Melas-Kyriazi et al. 2022), on any
device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree
from torch import Tensor

from dinoseg.methods.cut import graph, solvable, start_of
from dinoseg.methods.lanczos import Pairs, smallest_pairs
from dinoseg.methods.likeness import graphs_at_once
from dinoseg.types import Photo

NEIGHBOURS = ((20, 2.0), (10, 0.1))
"""How many nearest patches are joined, and how much the frame's size counts beside the range of a colour channel."""


def laplacian_pairs(
    features: Tensor, photos: Sequence[Photo], grid: tuple[int, int], k: int, colour: float
) -> Iterator[Pairs]:
    """The k smallest eigenpairs after the first of the graph of each image, from features ``(B, N, d)``, N at least
    k + 2.

    Two patches are joined by their cosine, where it is positive, and ``colour`` times the entry of ``colour_graph``.
    """
    rows = F.normalize(solvable(features), dim=-1)
    at_once = graphs_at_once(rows.device, rows.shape[1])
    for first in range(0, len(rows), at_once):
        part = rows[first : first + at_once]
        weights = graph(part, lambda cosine: cosine.clamp_(min=0))  # (b, N, N)
        if colour:
            for one, photo in zip(weights, photos[first : first + at_once], strict=True):
                add(one, colour_graph(photo, grid), colour)
        yield from smallest_pairs(weights, start_of(part, k), k)


def colour_graph(photo: Photo, grid: tuple[int, int]) -> scipy.sparse.coo_array:
    """How often two patches are among each other's nearest in colour and place, ``(N, N)``, symmetric.

    As published: of the photograph shrunk to the grid, once with place counting much, once with hardly any; a patch is
    its own nearest.
    """
    size = grid[1], grid[0]
    colours = np.asarray(Image.fromarray(photo.pixels).resize(size, Image.Resampling.BILINEAR)).reshape(-1, 3) / 255
    y, x = np.meshgrid(*(np.linspace(0, 1, count) for count in grid), indexing="ij")
    place = np.stack([x.ravel(), y.ravel()], axis=1)  # (N, 2)
    nearest = sum(joined(np.hstack([colours, weight * place]), count) for count, weight in NEIGHBOURS)
    return scipy.sparse.coo_array(nearest + nearest.T)


def joined(points: NDArray[np.float64], count: int) -> scipy.sparse.csr_array:
    """1 where the second is among the ``count`` nearest of the first, of points ``(N, d)``: ``(N, N)``."""
    count = min(count, len(points))
    _, nearest = cKDTree(points).query(points, count)
    ends = np.arange(0, nearest.size + 1, count)
    return scipy.sparse.csr_array((np.ones(nearest.size), nearest.ravel(), ends), shape=(len(points),) * 2)


def add(weights: Tensor, graph: scipy.sparse.coo_array, factor: float) -> None:
    """A sparse graph ``(N, N)`` times ``factor`` onto a dense one, in place."""
    rows, columns = (torch.from_numpy(index.astype(np.int64)).to(weights.device) for index in (graph.row, graph.col))
    weights[rows, columns] += factor * torch.from_numpy(graph.data).to(weights)
