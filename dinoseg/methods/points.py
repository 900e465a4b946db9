"""The object under a point: what looks like the patch there and is joined to it.

It has no name in ``METHODS``: a point is of one photograph, and a command is about many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label

from dinoseg.backbone.features import Features, to_numpy
from dinoseg.errors import OptionError
from dinoseg.images.fit import patch_at
from dinoseg.methods.base import SimilarityMethod, nothing, one
from dinoseg.methods.likeness import Likeness
from dinoseg.methods.score import agreement
from dinoseg.methods.threshold import otsu_soft
from dinoseg.options import countable, require
from dinoseg.types import Fit, Proposals

REPULSION = 0.4
"""Weight of what looks like an outside point, against what looks like an inside point."""
NEIGHBOURS = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Points(SimilarityMethod):
    """The one object that holds the points ``inside`` and not those ``outside``.

    Likeness is the positive cosine of two patches to a power. Each patch gets, for each point, the mean likeness to it
    of the patches that look alike: the largest of the points inside, less a share of the largest of those outside.
    Otsu's threshold cuts the square root of that map, and the 8-connected pieces that hold a point inside are the
    object.

    Raises ``OptionError`` for no point inside, for what is no point, and, when it is asked, for a point outside of the
    picture. Score: correlation of the mask with the soft mask.
    """

    inside: Sequence[tuple[float, float]] = ()
    """Points ``(x, y)`` on the object, px of the upright original; several are of one object."""
    outside: Sequence[tuple[float, float]] = ()
    """Points ``(x, y)`` that are not on it."""
    power: float = 7.0
    """Of the cosine between two patches: the higher, the more alike they must be to be one thing."""

    def __post_init__(self) -> None:
        for name in ("inside", "outside"):
            object.__setattr__(self, name, points_of(name, getattr(self, name)))
        if not self.inside:
            raise OptionError("Points has no point inside the object: give at least one, Points(inside=[(x, y)]).")
        require(0 < self.power <= 100, "power", self.power, "above 0 and up to 100")

    def propose_batch(self, features: Features, fits: Sequence[Fit]) -> list[Proposals]:
        """One object at most in each image."""
        return [self.propose_one(features.take([index]), fit) for index, fit in enumerate(fits)]

    def propose_one(self, features: Features, fit: Fit) -> Proposals:
        """The object of a batch of one."""
        inside = [self.patch_at(point, fit) for point in self.inside]
        outside = [self.patch_at(point, fit) for point in self.outside]
        alike = Likeness.of(self.batch_features(features), self.power)
        shares = to_numpy(alike.share(alike.weights[:, [*inside, *outside]]))[0]  # (points, N)
        near, far = shares[: len(inside)].max(axis=0), shares[len(inside) :].max(axis=0, initial=0)
        soft = otsu_soft(np.sqrt(np.maximum(near - REPULSION * far, 0)).reshape(fit.grid), fit)
        if soft is None:
            return nothing("no_object")
        soft.flat[outside] = 0
        soft = joined(soft, inside)
        return one(soft, agreement(soft), "what looks like the points") if soft.any() else nothing("no_object")

    def patch_at(self, point: tuple[float, float], fit: Fit) -> int:
        """Index of the patch under a point. Raises ``OptionError`` outside of the picture."""
        patch = patch_at(point, fit)
        if patch is None:
            (height, width), (x, y) = fit.size, point
            raise OptionError(f"the point ({x:g}, {y:g}) lies outside of the picture, which has {width} x {height} px.")
        return patch


def points_of(name: str, points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Points as pairs of numbers. Raises ``OptionError`` for what is none."""
    try:
        pairs = tuple((x, y) for x, y in points)
    except (TypeError, ValueError):
        raise OptionError(f"{name}={points!r} is no list of points: give [(x, y), ...] in px.") from None
    for pair in pairs:
        if not all(countable(float, value) for value in pair):
            raise OptionError(f"{name}: the point {pair} must be two finite numbers, (x, y) in px.")
    return pairs


def joined(soft: NDArray[np.float32], patches: Sequence[int]) -> NDArray[np.float32]:
    """A soft mask ``(gh, gw)`` without the 8-connected pieces that hold none of the patches.

    Cells beside a piece that is left stay as soft as they are; without a piece all is 0.
    """
    pieces, _ = label(soft > 0.5, NEIGHBOURS)  # (gh, gw)
    wanted = np.isin(pieces, np.setdiff1d(pieces.flat[patches], 0))
    return np.where(binary_dilation(wanted, NEIGHBOURS), soft, np.float32(0))
