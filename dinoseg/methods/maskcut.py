"""``maskcut``: one normalised cut after another, for several objects (MaskCut of CutLER: Wang et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from dinoseg.backbone.features import to_numpy
from dinoseg.methods.affinity import attention_or_affinity
from dinoseg.methods.base import nothing
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.grid import component_at
from dinoseg.methods.score import sharp
from dinoseg.methods.tokencut import TokenCut
from dinoseg.options import require
from dinoseg.types import Fit, Proposals

if TYPE_CHECKING:
    from dinoseg.backbone.features import Features
    from dinoseg.methods.cut import Cut

SMALLEST = 0.01
"""Share of the grid that a further object must exceed."""
SAME = 0.5
"""IoU with the object before, above which a further one is the same again."""


@dataclass(frozen=True)
class MaskCut(TokenCut):
    """MaskCut: TokenCut's cut, again and again, the patches of the objects found so far painted out of the graph.

    A side that has three corners of the frame is background. It ends with a piece that repeats the one before or is
    too small; the published program goes on there, although the graph is the same, and may then take what it refused.

    Score: correlation of each mask with the fused CLS attention; in a network without it, with the mean product of each
    cell's feature with all cells' features, where that is positive.
    """

    in_torch: ClassVar[bool] = True

    tau: float = 0.15
    """Cosine above which two patches are joined, 0..1."""
    objects: int = 3
    """How many objects at most."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.objects <= 64, "--param objects", self.objects, "1..64")

    def propose_batch(self, features: Features, fits: Sequence[Fit]) -> list[Proposals]:
        """Several objects in each image, disjoint, in the order of their cuts."""
        given = self.batch_features(features)  # (B, N, d)
        peels = [Peel(fit.grid) for fit in fits]
        left = list(range(len(fits)))
        for _ in range(self.objects):
            painted = np.stack([peels[index].painted.ravel() for index in left])  # (images left, N)
            cuts = self.cuts(given[left] * given.new_tensor(~painted)[..., None])
            left = [index for index, cut in zip(left, cuts, strict=True) if cut and peels[index].take(cut)]
            if not left:
                break
        return [peel.proposals(to_numpy(one)) for peel, one in zip(peels, attention_or_affinity(features), strict=True)]


class Peel:
    """The objects of one image so far, which leave the graph one after another."""

    def __init__(self, grid: tuple[int, int]) -> None:
        self.masks: list[NDArray[np.bool_]] = []
        """Disjoint, each ``(gh, gw)``."""
        self.painted = self.before = np.zeros(grid, bool)

    def take(self, cut: Cut) -> bool:
        """The next object, from the cut of what is left; False if there is none."""
        piece = foreground(cut, self.painted.shape)
        new = piece & ~self.painted
        if self.masks and (same(piece, self.before) or piece.mean() <= SMALLEST or not new.any()):
            return False
        self.masks.append(new)
        self.painted, self.before = self.painted | piece, piece
        return True

    def proposals(self, attention: NDArray[np.float64]) -> Proposals:
        """The objects, scored with attention ``(heads, gh, gw)``."""
        fused = fuse_heads(attention)
        found = [sharp(mask, fused, f"cut {number}") for number, mask in enumerate(self.masks, 1)]
        return Proposals(tuple(found)) if found else nothing("degenerate_graph")


def same(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> bool:
    """Whether two masks are one object found twice."""
    return bool((a & b).sum() > SAME * (a | b).sum())


def foreground(cut: Cut, grid: tuple[int, ...]) -> NDArray[np.bool_]:
    """The 4-connected piece, ``(gh, gw)``, of the seed's side; of the other, at its own extreme, if the seed's side
    has three or four of the corners.
    """
    side, seed = (cut.vector > cut.vector.mean()).reshape(grid), cut.seed
    if side[[0, 0, -1, -1], [0, -1, 0, -1]].sum() >= 3:
        side, seed = ~side, int(cut.vector.argmin())
    return component_at(side, seed)
