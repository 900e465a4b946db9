"""How steady the masks of a video are, in 0..1; no truth is needed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoseg.evaluation.metrics.masks import Mask, jaccard


def stability(before: Mask, mask: Mask, flow: NDArray[np.float32]) -> float:
    """IoU of a mask with that of the frame before, moved along the optical flow.

    ``flow``: ``(H, W, 2)``, from each pixel of the present frame to its place ``x, y`` in the one before. The
    measure is the temporal consistency of Liu et al. 2020 ("Efficient semantic video segmentation with per-frame
    inference"), of
    one class. The masks of what really moves come near 1, not to it: flow errs, and things are hidden.
    """
    return jaccard(moved(before, flow), mask)


def moved(mask: Mask, flow: NDArray[np.float32]) -> Mask:
    """A mask ``(H, W)`` of one frame in the frame whose ``flow`` leads to it; beyond the border is what is there."""
    height, width = mask.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    places = (x + flow[..., 0], y + flow[..., 1])
    found = cv2.remap(mask.view(np.uint8), *places, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, bool)
