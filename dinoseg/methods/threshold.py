"""From maps to masks: the share of the mass, and Otsu's threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from dinoseg.images.fit import to_photo
from dinoseg.types import Fit

FLAT = 1e-9
"""A map whose range is below this share of its largest value has nothing to threshold."""


def mass_mask(map_: NDArray[np.floating[Any]], mass: float = 0.6) -> NDArray[np.bool_]:
    """The smallest set of largest cells that holds at least ``mass`` of the sum of a non-negative map.

    Same shape as the map; nothing when the map sums to zero. Cells that tie at the cut are decided by a stable sort,
    as DINO's own pictures need it (Caron et al. 2021, Fig. 4).
    """
    values = np.asarray(map_, np.float64).ravel()
    order = values.argsort(kind="stable")
    held = values[order].cumsum()
    mask = np.zeros(values.size, bool)
    mask[order] = held > (1 - mass) * held[-1]
    return mask.reshape(map_.shape)


def scatter(mask: NDArray[np.bool_]) -> float:
    """How often neighbours differ in a mask ``(gh, gw)``, against a mask of as many cells thrown anywhere: 1 is noise,
    0 one piece without a border (join counts, Cliff and Ord 1981).

    1 too where nothing or everything is in it.
    """
    share = mask.mean()
    pairs = np.concatenate([(mask[1:] != mask[:-1]).ravel(), (mask[:, 1:] != mask[:, :-1]).ravel()])
    if not pairs.size or share in (0, 1):
        return 1.0
    return float(pairs.mean() / (2 * share * (1 - share)))


def min_max(map_: NDArray[np.floating[Any]]) -> NDArray[np.float64] | None:
    """A map stretched to 0..1, or None where it is flat."""
    low, high = float(map_.min()), float(map_.max())
    if high - low <= FLAT * max(abs(low), abs(high)):
        return None
    return (np.asarray(map_, np.float64) - low) / (high - low)


def otsu_soft(map_: NDArray[np.floating[Any]], fit: Fit) -> NDArray[np.float32] | None:
    """A map over the padded frame in 0..1, shifted so that Otsu's threshold lies at 0.5; None where the map is flat.

    The threshold (Otsu 1979) is taken on the map as upsampled to the working size, padding left out.
    """
    stretched = min_max(map_)
    if stretched is None:
        return None
    upsampled = to_photo(stretched.astype(np.float32), replace(fit, size=fit.scaled))  # (h, w)
    threshold: float = threshold_otsu(upsampled)  # type: ignore[no-untyped-call]
    return np.clip(stretched + (0.5 - threshold), 0, 1).astype(np.float32)
