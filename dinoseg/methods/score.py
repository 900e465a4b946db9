"""How far a mask can be trusted, without labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinoseg.types import Proposal


def agreement(soft: NDArray[np.float32], *maps: NDArray[np.floating[Any]]) -> float:
    """Correlation of the mask ``soft > 0.5`` with its own soft map, times that with each of the maps, all of one shape.

    0..1, a negative correlation counting as 0. Over the 150 even DUTS pictures its rank correlation with the IoU is
    0.4 (kmeans) to 0.8 (tokencut).
    """
    mask = soft > 0.5
    if mask.all() or not mask.any():
        return 0.0
    with np.errstate(invalid="ignore"):  # a flat map has no correlation
        factors = [np.corrcoef(mask.ravel(), np.asarray(map_, np.float64).ravel())[0, 1] for map_ in (soft, *maps)]
    return float(np.prod(np.nan_to_num(np.maximum(factors, 0))).clip(0, 1))


def sharp(mask: NDArray[np.bool_], attention: NDArray[np.float64], why: str) -> Proposal:
    """A mask ``(gh, gw)`` as an object with the map 0 or 1, scored by its ``agreement`` with the attention."""
    soft = mask.astype(np.float32)
    return Proposal(soft, agreement(soft, attention), why)
