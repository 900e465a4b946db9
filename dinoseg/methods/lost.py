"""``lost``: an object grows from the patch that is like the fewest others (LOST: Simeoni et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinoseg.methods.base import SimilarityMethod, View, nothing
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.grid import component_at
from dinoseg.methods.score import sharp
from dinoseg.options import require
from dinoseg.types import Proposals


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """How an object grew; patches are counted in reading order."""

    degree: NDArray[np.intp]
    """To how many other patches each is positively similar, ``(N,)``."""
    seed: int
    """The first patch of lowest degree."""
    similar: NDArray[np.intp]
    """Patches of low degree that are like the seed, rising, with the seed."""
    expansion: NDArray[np.float64]
    """Sum of the similarities of each patch to those, ``(N,)``; above 0 it may be object."""


@dataclass(frozen=True)
class Lost(SimilarityMethod):
    """LOST as published: the patch like the fewest others, those of few likes like it, and what is like all of these.

    The piece that holds the seed is the object; one that fills the frame is none. On DINOv2's tokens the published rule
    works as it stands; its keys are all similar to each other until they are centred.

    Score: correlation of the mask with the fused CLS attention; in a network without it, with the mean product of each
    cell's feature with all cells' features, where that is positive.
    """

    k: int = 100
    """How many patches of lowest degree may join the seed."""

    def __post_init__(self) -> None:
        require(self.k >= 1, "--param k", self.k, "1 or more")

    def propose(self, view: View) -> Proposals:
        """One object at most."""
        grown = grow(self.features(view), self.k)
        if grown is None:
            return nothing("degenerate_graph")
        mask = component_at(grown.expansion.reshape(view.fit.grid) > 0, grown.seed)
        if mask.all():
            return nothing("no_object")
        return Proposals((sharp(mask, fuse_heads(view.attention), f"grown from patch {grown.seed}"),))


def grow(features: NDArray[np.float64], k: int) -> Growth | None:
    """Seed and expansion from features ``(N, d)``, or None where all pairs of patches (or none) are similar, or where
    the seed's feature is zero.

    Similarity is the plain dot product; patches of equal degree are taken in reading order.
    """
    similarity = features @ features.T  # (N, N)
    positive = similarity > 0
    degree = positive.sum(axis=1) - positive.diagonal()  # (N,)
    order = degree.argsort(kind="stable")
    seed, candidates = int(order[0]), np.sort(order[:k])
    if degree.max() == 0 or degree[seed] == len(degree) - 1 or not positive[seed, seed]:
        return None
    similar = candidates[positive[seed, candidates]]
    return Growth(degree, seed, similar, similarity[:, similar].sum(axis=1))
