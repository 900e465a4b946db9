"""Overlap of masks: region (IoU, which is the Jaccard index J) and contour (F), all in 0..1."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def jaccard(predicted: Mask, truth: Mask, void: Mask | None = None) -> float:
    """Intersection over union of two ``(H, W)`` masks; ``void`` pixels are left out of both sums.

    Both empty is 1, as DAVIS has it (Perazzi et al. 2016): there was nothing, and nothing was found.
    """
    predicted, truth = without(void, predicted, truth)
    union = np.count_nonzero(predicted | truth)
    return np.count_nonzero(predicted & truth) / union if union else 1.0


def boundary_f(predicted: Mask, truth: Mask, void: Mask | None = None) -> float:
    """DAVIS contour accuracy F of two ``(H, W)`` masks (Perazzi et al. 2016, section 4).

    A contour pixel counts as matched within ceil(0.008 * image diagonal) px of the other contour. Both contours empty
    is 1, one of them empty is 0. ``void`` is taken out of both masks before their contours are drawn.
    """
    radius = math.ceil(0.008 * math.hypot(*truth.shape))
    predicted, truth = without(void, predicted, truth)
    window = joint_window(predicted, truth)
    drawn, actual = contour(predicted[window]), contour(truth[window])
    if not drawn.any() or not actual.any():
        return float(drawn.any() == actual.any())
    precision = np.count_nonzero(drawn & dilate(actual, radius)) / np.count_nonzero(drawn)
    recall = np.count_nonzero(actual & dilate(drawn, radius)) / np.count_nonzero(actual)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def without(void: Mask | None, predicted: Mask, truth: Mask) -> tuple[Mask, Mask]:
    """Both masks with the void pixels taken out."""
    if predicted.shape != truth.shape or (void is not None and void.shape != truth.shape):
        raise ValueError(f"masks of different sizes: {predicted.shape} and {truth.shape}")
    return (predicted, truth) if void is None else (predicted & ~void, truth & ~void)


def joint_window(first: Mask, second: Mask) -> tuple[slice, slice]:
    """Rows and columns that hold all of both masks and one pixel around: no contour lies elsewhere."""
    both = first | second
    x, y, width, height = cv2.boundingRect(both.view(np.uint8))
    return slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1)


def contour(mask: Mask) -> Mask:
    """Pixels that differ from their right, lower or lower-right neighbour; the image border makes no contour."""
    edges = np.zeros_like(mask)
    edges[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    edges[:-1] |= mask[:-1] ^ mask[1:]
    edges[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edges


def dilate(mask: Mask, radius: int) -> Mask:
    """Dilated with the disk of ``radius`` px, the pixels with ``dx^2 + dy^2 <= radius^2``."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = (y**2 + x**2 <= radius**2).astype(np.uint8)
    return cv2.dilate(mask.view(np.uint8), disk).astype(np.bool_)
