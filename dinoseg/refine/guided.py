"""``guided``: the guided filter with a colour guide (He, Sun and Tang 2013), in its fast form (He and Sun 2015)."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoseg.images.fit import resize, to_photo
from dinoseg.types import Fit, Photo

RADIUS = 1.0
"""Of the window, in patches; this and ``EPS`` are chosen on the even halves of DUTS and VOC 2012."""
EPS = 1e-4
"""How little contrast of the guide, in 0..1 squared, still moves the mask."""


def guided_filter(soft: NDArray[np.float32], photo: Photo, fit: Fit) -> NDArray[np.float32]:
    """The mask ``(mh, mw)`` over the padded frame as a locally linear function of the photo's RGB, ``(H, W)``, 0..1."""
    mask = to_photo(soft, replace(fit, size=fit.scaled))  # (h, w)
    return fitted(mask, photo, max(1, round(RADIUS * fit.patch)))


def fitted(mask: NDArray[np.float32], photo: Photo, radius: int) -> NDArray[np.float32]:
    """A mask ``(h, w)`` over the whole photo -> ``(H, W)`` in 0..1; ``radius`` is in px of the mask.

    The coefficients are computed at the mask's size and upsampled. The guide is the photo at full size, averaged over a
    px of the mask, as it was for the coefficients: grain would come through them as specks. It is taken channel by
    channel: all of it as floats would be 12 bytes a pixel.
    """
    slopes, offset = coefficients(colours(resize(photo.pixels, (mask.shape[0], mask.shape[1]))), mask, radius)
    side = int(max(photo.size) / max(mask.shape)) | 1  # odd
    result = upsampled(offset, photo.size)
    for channel, slope in enumerate(slopes):
        plane = cv2.blur(resize(photo.pixels[..., channel], photo.size), (side, side))  # (H, W) uint8
        result += product(slope / 255, np.asarray(plane, np.uint8))
    return result.clip(0, 1, out=result)  # (H, W)


def product(slope: NDArray[np.float32], plane: NDArray[np.uint8]) -> NDArray[np.float32]:
    """One term of a I: the slope ``(h, w)`` upsampled, times a channel ``(H, W)`` of the photo."""
    result = upsampled(slope, (plane.shape[0], plane.shape[1]))
    result *= plane
    return result


def coefficients(
    guide: NDArray[np.float32], mask: NDArray[np.float32], radius: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean a and b of q = a I + b (equations 19 to 21): guide and a are ``(3, h, w)``, mask and b ``(h, w)``."""
    count = box_sum(np.ones_like(mask), radius)  # pixels of the window that are in the image

    def mean(image: NDArray[np.float32]) -> NDArray[np.float32]:
        return box_sum(image, radius) / count

    planes = [*guide, mask]
    means = [mean(plane) for plane in planes]
    system = np.zeros((3, 4, *mask.shape), np.float32)
    for i in range(3):
        for j in range(i, 4):
            system[i, j] = mean(planes[i] * planes[j]) - means[i] * means[j] + EPS * (i == j)
    a = solved(system)  # (3, h, w)
    b = means[3] - sum(each * m for each, m in zip(a, means[:3], strict=True))
    return np.stack([mean(each) for each in a]), mean(b)


def solved(system: NDArray[np.float32]) -> NDArray[np.float32]:
    """x of S x = c for each pixel, ``(3, h, w)``, from S and c side by side, ``(3, 4, h, w)``, which are overwritten.

    S is symmetric and positive definite, and not read below its diagonal. By elimination: where channels are alike,
    cofactors in float32 are off by a percent.
    """
    for k, i in ((0, 1), (0, 2), (1, 2)):
        system[i, i:] -= system[k, i] / system[k, k] * system[k, i:]
    x = system[:, 3]
    for k in (2, 1, 0):
        x[k] = (x[k] - (system[k, k + 1 : 3] * x[k + 1 :]).sum(axis=0)) / system[k, k]
    return x


def box_sum(image: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """Sum over the window of ``(2 radius + 1)`` squared px around each, zeros outside of the image."""
    side = 2 * radius + 1
    summed = cv2.boxFilter(image, cv2.CV_32F, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(summed, np.float32)


def upsampled(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """``(h, w)`` -> ``(H, W)``, bilinear."""
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def colours(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """RGB ``(h, w, 3)`` -> ``(3, h, w)`` in 0..1."""
    return np.stack(cv2.split(pixels)) / np.float32(255)
