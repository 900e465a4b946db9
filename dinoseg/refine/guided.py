"""``guided``: the guided filter (He, Sun and Tang 2013), in its fast form (He and Sun 2015)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoseg.images.fit import resize, to_photo
from dinoseg.types import Fit, Photo

RADIUS = 0.65
"""Of the window, in patches."""
EPS = 1e-3
"""How little contrast of the guide, in 0..1 squared, still moves the mask."""


def guided_filter(soft: NDArray[np.float32], photo: Photo, fit: Fit) -> NDArray[np.float32]:
    """The mask ``(mh, mw)`` over the padded frame as a locally linear function of the grey photo, ``(H, W)``, 0..1."""
    mask = to_photo(soft, replace(fit, size=fit.scaled))  # (h, w)
    return fitted(mask, photo, max(1, round(RADIUS * fit.patch)))


def fitted(mask: NDArray[np.float32], photo: Photo, radius: int) -> NDArray[np.float32]:
    """A mask ``(h, w)`` over the whole photo -> ``(H, W)`` in 0..1; ``radius`` is in px of the mask.

    The coefficients are computed at the mask's size and upsampled; the guide is the photo at full size.
    """
    slope, offset = coefficients(grey(resize(photo.pixels, (mask.shape[0], mask.shape[1]))), mask, radius)
    result = upsampled(slope, photo.size)
    result *= grey(resize(photo.pixels, photo.size))
    result += upsampled(offset, photo.size)
    return result.clip(0, 1, out=result)  # (H, W)


def coefficients(
    guide: NDArray[np.float32], mask: NDArray[np.float32], radius: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean a and b of q = a I + b for images ``(h, w)`` (He et al., equations 5, 6 and 8)."""
    count = box_sum(np.ones_like(guide), radius)  # pixels of the window that are in the image

    def mean(image: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        return box_sum(image, radius) / count

    guide_mean, mask_mean = mean(guide), mean(mask)
    covariance = mean(guide * mask) - guide_mean * mask_mean
    variance = mean(guide * guide) - guide_mean * guide_mean
    a = covariance / (variance + EPS)
    return mean(a), mean(mask_mean - a * guide_mean)


def box_sum(image: NDArray[np.floating[Any]], radius: int) -> NDArray[np.float32]:
    """Sum over the window of ``(2 radius + 1)`` squared px around each, zeros outside of the image."""
    side = 2 * radius + 1
    summed = cv2.boxFilter(image, cv2.CV_32F, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(summed, np.float32)


def upsampled(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """``(h, w)`` -> ``(H, W)``, bilinear."""
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """RGB ``(h, w, 3)`` -> luma in 0..1, ``(h, w)``."""
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
