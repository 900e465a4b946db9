"""Masks of single attention heads (Caron et al. 2021, Fig. 4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinoseg.evaluation.metrics.masks import Mask
from dinoseg.images.fit import to_photo
from dinoseg.methods.threshold import mass_mask
from dinoseg.segmentation import Segmentation
from dinoseg.types import Fit

MASS = 0.6
"""Share of a head's attention that its mask holds."""


def head_masks(prediction: Segmentation) -> list[Mask]:
    """The 60 % mass mask of each attention head, ``(H, W)``."""
    assert prediction.attention is not None
    return [mass_in_frame(head, prediction.fit) for head in prediction.attention]


def mass_in_frame(attention: NDArray[np.float32], fit: Fit) -> Mask:
    """60 % mass mask of one map ``(gh, gw)``, by nearest neighbour in the frame of ``fit.size``, ``(H, W)``."""
    return to_photo(mass_mask(attention, MASS).astype(np.float32), fit, nearest=True) > 0.5
