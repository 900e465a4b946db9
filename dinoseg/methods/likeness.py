"""How alike the patches of an image look, as weights: what they share by them, and which of them are background."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dinoseg.methods.cut import graphs_at_once
from dinoseg.methods.grid import border_of

FLAT = 1e-4
"""Likeness nearer than this to 0 or 1 is that."""


def object_maps(
    features: Tensor, attention: Tensor, grid: tuple[int, int], *, power: float, reach: float
) -> tuple[Tensor, Tensor]:
    """Attention less what is like the border, shared among the patches that look alike.

    From features ``(B, N, d)`` and maps ``(B, m, N)`` of the same device to maps ``(B, m, N)``, and whether all patches
    of an image are alike, or none, ``(B,)``: its maps mean nothing then. As many images at once as fit.
    """
    at_once = graphs_at_once(features.device, features.shape[1])
    shared, degenerate = [], []
    for part, maps in zip(features.split(at_once), attention.split(at_once), strict=True):
        alike = Likeness.of(part, power)
        shared.append(alike.share(maps * (1 - alike.background(grid, reach))[:, None]))
        degenerate.append(alike.degenerate)
    return torch.cat(shared), torch.cat(degenerate)


class Likeness:
    """The patches of some images: positive cosines to a power, ``(B, N, N)``; the higher, the more alike they must be.

    ``area`` is how many patches look like each, ``(B, N)``.
    """

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights
        self.area = weights.sum(dim=-1)

    @classmethod
    def of(cls, features: Tensor, power: float) -> Likeness:
        """The likeness of features ``(B, N, d)``."""
        rows = F.normalize(features, dim=-1)
        weights = (rows @ rows.mT).clamp_(min=0).pow_(power)  # (B, N, N)
        weights.diagonal(dim1=-2, dim2=-1).fill_(1)  # a feature of zeros is like itself
        return cls(weights)

    @property
    def degenerate(self) -> Tensor:
        """Whether all patches of an image are alike, or none, ``(B,)``: rounding left out."""
        return (self.weights.amin(dim=(-2, -1)) > 1 - FLAT) | (self.area.amax(dim=-1) < 1 + FLAT)

    def share(self, maps: Tensor) -> Tensor:
        """Each of the maps ``(B, m, N)`` with every patch at the mean of those that look like it."""
        return maps @ self.weights / self.area[:, None]

    def background(self, grid: tuple[int, int], reach: float) -> Tensor:
        """How likely each patch of the grid is background, ``(B, N)`` in 0..1, because its like lie on the border.

        From boundary connectivity (Zhu et al. 2014, equations 3 to 6): likeness to the border over the root of
        likeness to all, here in units of what it is where all patches are alike. ``reach``: the connectivity at which
        the probability is 1 - exp(-1/2).
        """
        border = torch.from_numpy(border_of(grid).ravel()).to(self.weights.device)
        length = self.weights[..., border].sum(dim=-1)  # (B, N)
        connectivity = length / self.area.sqrt() / (border.sum() / border.numel() ** 0.5)
        return 1 - (-0.5 * (connectivity / reach) ** 2).exp()
