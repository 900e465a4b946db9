"""``attention-cut``: the normalised cut tells pieces apart, CLS attention tells which is the object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from dinoseg.methods.base import View, nothing, one, view_of
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.grid import components
from dinoseg.methods.score import agreement
from dinoseg.methods.threshold import min_max, otsu_soft
from dinoseg.methods.tokencut import TokenCut
from dinoseg.options import require
from dinoseg.types import Fit, Proposals

if TYPE_CHECKING:
    from dinoseg.backbone.vit import Features
    from dinoseg.methods.cut import Cut

CLIP = 2.0
"""Entries of the vector further out than this many deviations say no more."""


@dataclass(frozen=True)
class AttentionCut(TokenCut):
    """TokenCut's eigenvector, turned to where CLS attention is, mixed with it and smoothed over like patches.

    The map is the mean of the fused attention, stretched to 0..1, and the logistic of the vector; ridge regression on
    the patch features smooths it, Otsu's threshold cuts it.

    Score: correlation of the mask with the soft mask, times that with the fused CLS attention.
    """

    weighted: bool = True
    """Weigh edges by their cosine: photos in which all patches are somewhat alike then still have a cut."""
    output: Literal["map", "component"] = "map"
    """The smoothed mixture, or the one piece of the cut that attention picks."""
    ridge: float = 0.08
    """Strength of the smoothing over the features, above 0 (more: smoother)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.ridge <= 100, "--param ridge", self.ridge, "above 0 and up to 100")

    def propose_batch(self, features: Features, fits: Sequence[Fit]) -> list[Proposals]:
        """One object at most in each image."""
        cuts = self.cuts(self.batch_features(features))
        views = (view_of(features, index, fit) for index, fit in enumerate(fits))
        return [self.mixed(view, cut) for view, cut in zip(views, cuts, strict=True)]

    def mixed(self, view: View, cut: Cut | None) -> Proposals:
        """The object of one image, from its cut."""
        attention = fuse_heads(view.attention)
        looked = min_max(attention)  # (gh, gw)
        if cut is None or looked is None:
            return nothing("degenerate_graph" if cut is None else "no_object")
        vector = towards(cut.vector.reshape(view.fit.grid), attention)  # (gh, gw)
        soft: NDArray[np.float32] | None
        if self.output == "component":
            soft = brightest_component(vector > vector.mean(), attention).astype(np.float32)
        else:
            mixed = (looked + side_probability(vector)) / 2
            soft = otsu_soft(ridge_smooth(mixed, self.features(view), self.ridge), view.fit)
        if soft is None:
            return nothing("no_object")
        told = f"normalised cut {cut.eigenvalues[0]:.3f}, side and {self.output} by CLS attention"
        return one(soft, agreement(soft, attention), told)


def towards(vector: NDArray[np.float64], attention: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vector ``(gh, gw)`` with the sign that puts the side of higher mean attention above its mean."""
    above = vector > vector.mean()
    return vector if attention[above].mean() >= attention[~above].mean() else -vector


def brightest_component(mask: NDArray[np.bool_], attention: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The 4-connected piece that holds the most attention."""
    return max(components(mask), key=lambda piece: attention[piece].sum())


def side_probability(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far a patch lies on the positive side, in 0..1: logistic of twice the clipped z-score."""
    return expit(2 * ((vector - vector.mean()) / vector.std()).clip(-CLIP, CLIP))


def ridge_smooth(map_: NDArray[np.float64], features: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """What a linear function of the features ``(N, d)`` can say of a map ``(gh, gw)``: ridge regression's fit.

    Features are centred and scaled so that their kernel has mean diagonal 1; the penalty is ``strength`` x N. The
    result has mean 0.
    """
    x = features - features.mean(axis=0)  # (N, d)
    x /= np.sqrt((x**2).sum() / len(x))
    gram = x.T @ x + strength * len(x) * np.eye(x.shape[1])  # (d, d)
    weights = np.linalg.solve(gram, x.T @ (map_ - map_.mean()).ravel())  # (d,)
    return (x @ weights).reshape(map_.shape)
