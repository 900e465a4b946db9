"""A photograph with its object, and the object as a method sees it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoseg.images.fit import fit
from dinoseg.types import Fit, Photo
from tests.helpers import disk_photo


def coarse(
    height: int = 120, width: int = 160, size: int | None = None, patch: int = 16
) -> tuple[Photo, NDArray[np.bool_], Fit, NDArray[np.float32]]:
    """A disk photo, its mask ``(H, W)``, its fit, and the share of the disk in each patch ``(gh, gw)``."""
    pixels, mask = disk_photo(height, width)
    photo = Photo("a.jpg", pixels, (height, width))
    fitted = fit(photo, patch, size)[1]
    scaled = cv2.resize(mask.astype(np.float32), fitted.scaled[::-1], interpolation=cv2.INTER_LINEAR)  # (h, w)
    missing = [(0, cells * patch - have) for cells, have in zip(fitted.grid, scaled.shape, strict=True)]
    blocks = np.pad(scaled, missing, mode="edge").reshape(fitted.grid[0], patch, fitted.grid[1], patch)
    return photo, mask, fitted, blocks.mean(axis=(1, 3))
