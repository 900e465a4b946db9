"""``attention-cut``: where the network looks, less what is like the border, evened out over what looks alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from dinoseg.backbone.features import like, to_numpy
from dinoseg.methods.base import SimilarityMethod, nothing, one
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.likeness import object_maps
from dinoseg.methods.score import agreement
from dinoseg.methods.threshold import otsu_soft
from dinoseg.options import require
from dinoseg.types import Fit, Proposals

if TYPE_CHECKING:
    from dinoseg.backbone.features import Features


@dataclass(frozen=True)
class AttentionCut(SimilarityMethod):
    """CLS attention times the probability of not being background, shared among the patches that look alike.

    Patches are alike by their cosine to a power. Background is what has its like on the border: boundary connectivity,
    which Zhu et al. (2014) have for colours, here for patch features. Otsu's threshold cuts the map.

    A subject that the frame cuts off lies on the border too: ``attended=1.5`` counts a patch of the border as
    background only as far as little attention goes there (from 1.5 times the mean on not at all), and all heads alike.

    Score: correlation of the mask with the soft mask, times that with the fused CLS attention.
    """

    needs_attention: ClassVar[bool] = True

    power: float = 7.0
    """Of the cosine between two patches: the higher, the more alike they must be to be one thing."""
    reach: float = 0.3
    """Connectivity to the border from which a patch is likely background, in units of that of an even image."""

    attended: float = math.inf
    """Attention of a patch on the border, shared among its like and in units of the mean, from which it is no longer
    background; up to this less 1 it counts in full (1.5 for subjects that are cut off; `inf`: every patch counts)."""

    def __post_init__(self) -> None:
        require(0 < self.power <= 100, "--param power", self.power, "above 0 and up to 100")
        require(0 < self.reach <= 100, "--param reach", self.reach, "above 0 and up to 100")
        require(self.attended > 0, "--param attended", self.attended, "above 0")

    def propose_batch(self, features: Features, fits: Sequence[Fit]) -> list[Proposals]:
        """One object at most in each image."""
        assert features.attention is not None
        attention = [
            fuse_heads(looked, blur=0, evenly=math.isfinite(self.attended))  # (gh, gw)
            for looked in map(to_numpy, features.attention)
        ]
        patches = self.batch_features(features)  # (B, N, d)
        maps = like(np.stack(attention).reshape(len(attention), 1, -1), patches)  # (B, 1, N)
        shared, degenerate = object_maps(
            patches, maps, features.grid, power=self.power, reach=self.reach, attended=self.attended
        )
        cut = to_numpy(shared).reshape(-1, *features.grid)
        return [cut_out(*one) for one in zip(cut, attention, degenerate, fits, strict=True)]


def cut_out(cut: NDArray[np.float64], attention: NDArray[np.float64], degenerate: bool, fit: Fit) -> Proposals:
    """The object of one image from its map and its fused attention, ``(gh, gw)`` each."""
    if degenerate:
        return nothing("degenerate_graph")
    soft = otsu_soft(cut, fit)
    if soft is None:
        return nothing("no_object")
    return one(soft, agreement(soft, attention), "CLS attention, less what is like the border")
