"""``tokencut``: the normalised cut of the patch graph, as published (Wang et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinoseg.methods.base import SimilarityMethod, View, nothing
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.graph import Cut, affinity, normalised_cut
from dinoseg.methods.grid import component_at
from dinoseg.methods.score import sharp
from dinoseg.options import require
from dinoseg.types import Proposals


@dataclass(frozen=True)
class TokenCut(SimilarityMethod):
    """TokenCut as published: second eigenvector of the patch graph, cut at its mean, the piece of its largest entry.

    Score: correlation of the mask with the fused CLS attention.
    """

    tau: float = 0.2
    """Cosine above which two patches are joined, 0..1."""
    weighted: bool = False
    """Weigh edges by their cosine instead of 1."""

    def __post_init__(self) -> None:
        require(0 <= self.tau < 1, "--param tau", self.tau, "0 up to 1")

    def cut(self, view: View) -> Cut | None:
        """The cut of the image's graph."""
        return normalised_cut(affinity(self.features(view), self.tau, weighted=self.weighted))

    def propose(self, view: View) -> Proposals:
        """One object at most."""
        cut = self.cut(view)
        if cut is None:
            return nothing("degenerate_graph")
        mask = seed_component(cut, view.fit.grid)
        return Proposals((sharp(mask, fuse_heads(view.attention), f"normalised cut {cut.eigenvalues[0]:.3f}"),))


def seed_component(cut: Cut, grid: tuple[int, int]) -> NDArray[np.bool_]:
    """The 4-connected piece, ``(gh, gw)``, that holds the seed on the seed's side of the vector's plain mean."""
    above = cut.vector > cut.vector.mean()
    side = (above == above[cut.seed]).reshape(grid)
    return component_at(side, cut.seed)
