"""``tokencut``: the normalised cut of the patch graph, as published (Wang et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from dinoseg.backbone.features import to_numpy
from dinoseg.methods.affinity import attention_or_affinity
from dinoseg.methods.base import SimilarityMethod, nothing
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.grid import component_at
from dinoseg.methods.score import sharp
from dinoseg.options import require
from dinoseg.types import Fit, Proposals

if TYPE_CHECKING:
    from torch import Tensor

    from dinoseg.backbone.features import Features
    from dinoseg.methods.cut import Cut


@dataclass(frozen=True)
class TokenCut(SimilarityMethod):
    """TokenCut as published: second eigenvector of the patch graph, cut at its mean, the piece of its largest entry.

    Score: correlation of the mask with the fused CLS attention; in a network without it, with the mean product of each
    cell's feature with all cells' features, where that is positive.
    """

    in_torch: ClassVar[bool] = True

    tau: float = 0.2
    """Cosine above which two patches are joined, 0..1."""
    weighted: bool = False
    """Weigh edges by their cosine instead of 1."""

    def __post_init__(self) -> None:
        require(0 <= self.tau < 1, "--param tau", self.tau, "0 up to 1")

    def cuts(self, features: Tensor) -> list[Cut | None]:
        """The cut of the graph of each image, from features ``(B, N, d)``."""
        from dinoseg.methods.cut import normalised_cuts  # torch: only once there is something to cut

        return normalised_cuts(features, self.tau, weighted=self.weighted)

    def propose_batch(self, features: Features, fits: Sequence[Fit]) -> list[Proposals]:
        """One object at most in each image."""
        cuts = self.cuts(self.batch_features(features))
        found = zip(cuts, attention_or_affinity(features), fits, strict=True)
        return [cut_out(cut, to_numpy(attention), fit) for cut, attention, fit in found]


def cut_out(cut: Cut | None, attention: NDArray[np.float64], fit: Fit) -> Proposals:
    """What a cut separates, scored with attention ``(heads, gh, gw)``."""
    if cut is None:
        return nothing("degenerate_graph")
    mask = seed_component(cut, fit.grid)
    return Proposals((sharp(mask, fuse_heads(attention), f"normalised cut {cut.eigenvalues[0]:.3f}"),))


def seed_component(cut: Cut, grid: tuple[int, int]) -> NDArray[np.bool_]:
    """The 4-connected piece, ``(gh, gw)``, that holds the seed on the seed's side of the vector's plain mean."""
    above = cut.vector > cut.vector.mean()
    side = (above == above[cut.seed]).reshape(grid)
    return component_at(side, cut.seed)
