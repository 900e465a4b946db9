"""``found``: what is not like the background, known from where no head looks (FOUND: Simeoni et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dinoseg.methods.base import SimilarityMethod, View, nothing, unit
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.grid import components, largest
from dinoseg.methods.score import sharp
from dinoseg.methods.threshold import min_max
from dinoseg.options import require
from dinoseg.types import Proposals

NEVER = 1e-10
"""Added to the share of patches a head looks at, so that a head that looks nowhere has a finite weight."""


@dataclass(frozen=True)
class Found(SimilarityMethod):
    """FOUND's background discovery, untrained: all that is unlike the patch that the attention heads look at least.

    Heads that look at few patches count more, in the attention and, except in tokens, which no head owns, in the
    features.

    Score: correlation of the mask with the fused CLS attention.
    """

    needs_attention: ClassVar[bool] = True

    tau: float = 0.3
    """Cosine to the background's patch above which a patch is background, 0..1."""
    weigh: bool = True
    """Weigh heads by how rarely they look."""
    pieces: Literal["all", "largest"] = "all"
    """All that is not background is one object, or its largest piece is."""

    def __post_init__(self) -> None:
        require(0 <= self.tau < 1, "--param tau", self.tau, "0 up to 1")

    def propose(self, view: View) -> Proposals:
        """One object at most."""
        weights = head_weights(view.attention) if self.weigh else np.ones(len(view.attention))  # (heads,)
        looked = np.tensordot(weights, view.attention, 1)  # (gh, gw)
        features = self.features(view)  # (N, d)
        if self.facets(view.family) != ("token",):
            features = weigh_heads(features, weights)
        behind = background(features, looked, self.tau)  # (gh, gw)
        if np.count_nonzero(behind) <= 1:  # nothing is like its patch
            return nothing("no_object")
        mask = ~behind
        if self.pieces == "largest" and mask.any():
            mask = largest(components(mask))
        if not mask.any() or min_max(looked) is None:
            return nothing("no_object")
        return Proposals((sharp(mask, fuse_heads(view.attention), f"unlike patch {looked.argmin()}"),))


def head_weights(attention: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of each head of ``(heads, gh, gw)``: the logarithm of the inverse of its share of the looks.

    A look is a patch whose attention is above the mean of all heads and patches. A single head has weight 1.
    """
    if len(attention) == 1:
        return np.ones(1)
    looks = (attention > attention.mean()).mean(axis=(1, 2)) + NEVER  # (heads,)
    return np.log(looks.sum() / looks)


def weigh_heads(features: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys, queries or values ``(N, d)``, the part of each head times its weight."""
    parts = features.reshape(len(features), len(weights), -1) * weights[:, None]  # (N, heads, c)
    return parts.reshape(features.shape)


def background(features: NDArray[np.float64], looked: NDArray[np.float64], tau: float) -> NDArray[np.bool_]:
    """The patches ``(gh, gw)`` whose feature, of ``(N, d)``, is like that of the patch that is looked at least."""
    rows = unit(features)
    return (rows @ rows[looked.argmin()] > tau).reshape(looked.shape)
