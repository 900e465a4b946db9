"""``crf``: a fully connected conditional random field (Krähenbühl and Koltun 2011), with MaskCut's parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from dinoseg.refine.frame import at_working_size
from dinoseg.refine.lattice import Lattice
from dinoseg.types import Fit, Photo

APPEARANCE, ALPHA, BETA = 10, 50, 5
"""Weight of the kernel over position and colour, and its deviations in px and grey levels."""
POSITION, GAMMA = 7, 3
"""Weight of the kernel over position, and its deviation in px."""
ITERATIONS = 10
CONFIDENCE = 3
"""Log odds of a mask of 1. MaskCut has 1; 3 is as good or better for every method tried on the even half of DUTS."""


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """What one kernel tells every pixel, normalised symmetrically; ``size`` of the image is ``(h, w)``."""

    weight: float
    filter: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    """``(h, w)`` -> ``(h, w)``, symmetric."""
    norm: NDArray[np.float32]
    """``(h, w)``: one by the root of what the filter makes of ones."""

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(h, w)`` -> ``(h, w)``."""
        return self.weight * self.norm * self.filter(self.norm * values)


def dense_crf(soft: NDArray[np.float32], photo: Photo, fit: Fit) -> NDArray[np.float32]:
    """The mask ``(mh, mw)`` over the padded frame -> how likely each pixel is object, ``(H, W)`` in 0..1."""

    def refined(mask: NDArray[np.float32], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return mean_field(CONFIDENCE * (2 * mask - 1), pixels)

    return at_working_size(refined, soft, photo, fit)


def mean_field(unary: NDArray[np.float32], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Log odds ``(h, w)`` of the object over an RGB image ``(h, w, 3)`` -> its probability (algorithm 1).

    There are two labels, alike or not (Potts), so that one of them says all.
    """
    ones = np.ones_like(unary)
    filters = ((APPEARANCE, appearance(pixels)), (POSITION, position))
    messages = [Message(weight, apply, apply(ones) ** np.float32(-0.5)) for weight, apply in filters]
    most = sum((message(ones) for message in messages), np.zeros_like(unary))  # (h, w): of all pixels together
    odds = unary
    for _ in range(ITERATIONS):
        likely = expit(odds)
        odds = unary - most + 2 * sum(message(likely) for message in messages)
    return expit(odds)


def appearance(pixels: NDArray[np.uint8]) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Filters an image like ``pixels`` ``(h, w, 3)`` over position and colour."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width]
    points = np.dstack([x / ALPHA, y / ALPHA, pixels / BETA]).reshape(-1, 5)
    lattice = Lattice(points.astype(np.float32))
    return lambda image: lattice(image.ravel()).reshape(image.shape)


def position(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The smoothness kernel: a Gaussian over position alone (equation 3)."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), GAMMA, borderType=cv2.BORDER_CONSTANT), np.float32)
