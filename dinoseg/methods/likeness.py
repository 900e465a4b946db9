"""How alike the patches of an image look, as weights: what they share by them, and which of them are background."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.methods.cut import graphs_at_once
from dinoseg.methods.grid import border_of

FLAT = 1e-4
"""Likeness nearer than this to 0 or 1 is that."""


def likenesses(features: Tensor, power: float) -> Iterator[Likeness]:
    """The likeness of each image of ``(B, N, d)``, on their device, as many at once as fit."""
    for part in features.split(graphs_at_once(features.device, features.shape[1])):
        rows = F.normalize(part, dim=-1)
        weights = (rows @ rows.mT).clamp_(min=0).pow_(power)  # (b, N, N)
        weights.diagonal(dim1=-2, dim2=-1).fill_(1)  # a feature of zeros is like itself
        yield from map(Likeness, weights)


class Likeness:
    """One image's patches: positive cosines to a power, ``(N, N)``; the higher, the more alike they must be."""

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights
        self.area = weights.sum(dim=-1)  # (N,) how many patches look like each

    @property
    def degenerate(self) -> bool:
        """Whether all patches are alike, or none: rounding left out."""
        return bool(self.weights.min() > 1 - FLAT or self.area.max() < 1 + FLAT)

    def share(self, maps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each of the maps ``(..., gh, gw)`` with every patch at the mean of those that look like it."""
        values = self.weights.new_tensor(maps.reshape(-1, len(self.area)))  # (m, N)
        shared = values @ self.weights / self.area
        return shared.cpu().numpy().astype(np.float64).reshape(maps.shape)

    def background(self, grid: tuple[int, int], reach: float) -> NDArray[np.float64]:
        """How likely each patch of the grid is background, ``(gh, gw)`` in 0..1, because its like lie on the border.

        From boundary connectivity (Zhu et al. 2014, equations 3 to 6): likeness to the border over the root of
        likeness to all, here in units of what it is where all patches are alike. ``reach``: the connectivity at which
        the probability is 1 - exp(-1/2).
        """
        border = border_of(grid).ravel()
        length = self.weights[:, self.weights.new_tensor(border).bool()].sum(dim=-1)  # (N,)
        connectivity = length / self.area.sqrt() / (border.sum() / border.size**0.5)
        probability = 1 - (-0.5 * (connectivity / reach) ** 2).exp()
        return probability.cpu().numpy().astype(np.float64).reshape(grid)
