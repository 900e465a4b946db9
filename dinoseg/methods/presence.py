"""Whether there is an object at all, by how CLS attention is spread, whatever the method.

Where there is an object, the heads gather on it, and they take more from the patches and less from CLS itself. A
logistic regression on these two cues makes a probability of it. That neighbouring patches are unlike each other would
tell a little more, but it is as true of any sharp picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, xlogy

from dinoseg.backbone.families import family_of
from dinoseg.backbone.features import Features, to_numpy
from dinoseg.methods.base import is_constant
from dinoseg.types import Photo

CUES = ("concentration", "share of the patches")
"""What ``cues`` measures, in its order."""


def presence(features: Features, photos: list[Photo]) -> list[float | None]:
    """Probability in 0..1 that there is an object, for each photograph of a batch, where both are equally common.

    0 for a photograph of one colour; None for a family of networks that was not calibrated.
    """
    coefficients = family_of(features.family).presence
    if coefficients is None:
        return [None] * len(photos)
    chances = probability(cues(features), coefficients)
    return [0.0 if is_constant(photo) else float(chance) for photo, chance in zip(photos, chances, strict=True)]


def cues(features: Features) -> NDArray[np.float64]:
    """What the CLS attention of a batch says, ``(B, 2)``, each a mean over heads.

    Concentration: relative entropy of a head's map to the uniform one, in nats, 0 or more, whatever the grid.
    Share of the patches: what CLS does not keep for itself and the registers, 0..1.
    """
    assert features.attention is not None  # no family without it has coefficients
    attention = to_numpy(features.attention)
    attention = attention.reshape(*attention.shape[:2], -1)  # (B, heads, N)
    share = attention.sum(axis=2)  # (B, heads)
    maps = attention / np.maximum(share, np.finfo(np.float64).tiny)[..., None]
    concentration = np.log(maps.shape[2]) + xlogy(maps, maps).sum(axis=2)  # (B, heads)
    return np.stack([concentration.mean(axis=1), share.mean(axis=1)], axis=1)


def probability(measured: NDArray[np.float64], coefficients: tuple[float, ...]) -> NDArray[np.float64]:
    """The logistic regression: cues ``(n, cues)`` -> 0..1, ``(n,)``."""
    intercept, *weights = coefficients
    return expit(intercept + (measured * weights).sum(axis=1))  # no BLAS: it rounds by the number of rows
