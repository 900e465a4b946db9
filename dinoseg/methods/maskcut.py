"""``maskcut``: one normalised cut after another, for several objects (MaskCut of CutLER: Wang et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinoseg.methods.base import View, nothing
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.graph import Cut, affinity, normalised_cut
from dinoseg.methods.grid import component_at
from dinoseg.methods.score import sharp
from dinoseg.methods.tokencut import TokenCut
from dinoseg.options import require
from dinoseg.types import Proposals

SMALLEST = 0.01
"""Share of the grid that a further object must exceed."""
SAME = 0.5
"""IoU with the object before, above which a further one is the same again."""


@dataclass(frozen=True)
class MaskCut(TokenCut):
    """MaskCut: TokenCut's cut, again and again, the patches of the objects found so far painted out of the graph.

    A side that has three corners of the frame is background. It ends with a piece that repeats the one before or is
    too small; the published program goes on there, although the graph is the same, and may then take what it refused.

    Score: correlation of each mask with the fused CLS attention.
    """

    tau: float = 0.15
    """Cosine above which two patches are joined, 0..1."""
    objects: int = 3
    """How many objects at most."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.objects <= 64, "--param objects", self.objects, "1..64")

    def propose(self, view: View) -> Proposals:
        """Several objects, disjoint, in the order of their cuts."""
        attention = fuse_heads(view.attention)
        masks = self.masks(self.features(view), view.fit.grid)
        found = [sharp(mask, attention, f"cut {number}") for number, mask in enumerate(masks, 1)]
        return Proposals(tuple(found)) if found else nothing("degenerate_graph")

    def masks(self, features: NDArray[np.float64], grid: tuple[int, int]) -> Iterator[NDArray[np.bool_]]:
        """The objects, each ``(gh, gw)``, from features ``(N, d)``."""
        painted = before = np.zeros(grid, bool)
        for number in range(self.objects):
            left = np.where(painted.reshape(-1, 1), 0, features)  # (N, d)
            cut = normalised_cut(affinity(left, self.tau, weighted=self.weighted))
            if cut is None:
                return
            piece = foreground(cut, grid)
            if number and (same(piece, before) or piece.mean() <= SMALLEST or not (piece & ~painted).any()):
                return
            yield piece & ~painted
            painted, before = painted | piece, piece


def same(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> bool:
    """Whether two masks are one object found twice."""
    return bool((a & b).sum() > SAME * (a | b).sum())


def foreground(cut: Cut, grid: tuple[int, int]) -> NDArray[np.bool_]:
    """The 4-connected piece, ``(gh, gw)``, of the seed's side; of the other, at its own extreme, if the seed's side
    has three or four of the corners.
    """
    side, seed = (cut.vector > cut.vector.mean()).reshape(grid), cut.seed
    if side[[0, 0, -1, -1], [0, -1, 0, -1]].sum() >= 3:
        side, seed = ~side, int(cut.vector.argmin())
    return component_at(side, seed)
