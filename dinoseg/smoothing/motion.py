"""What moves by itself: the flow between two frames, less what the camera did to all of the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoseg.images.fit import resize
from dinoseg.types import Fit, Photo

LONG_SIDE = 640
"""px at which frames are compared."""
STEP = 8
"""px between the points that the camera's motion is fitted to."""
ERROR = 1.1
"""px by which these may miss and count as still."""


def view(photo: Photo, fit: Fit) -> NDArray[np.uint8]:
    """A frame as it is compared, grey, ``(h, w)``: of the padded grid's shape, the border's pixels in the padding."""
    height, width = fit.scaled
    scale = LONG_SIDE / max(fit.scaled)
    small = resize(photo.pixels, (max(16, round(height * scale)), max(16, round(width * scale))))
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def own_motion(frame: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How far each pixel moves to ``other`` otherwise than the camera makes it, ``(h, w)``, in shares of the long side.

    Flow by dense inverse search (Kroeger et al. 2016), the camera's part by a homography (RANSAC), as in Wang and
    Schmid 2013, "Action recognition with improved trajectories". Zeros where no homography can be fitted.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(frame, other, None)  # type: ignore[call-overload]
    height, width = frame.shape
    place = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)  # (h, w, 2)
    moved = place + flow
    points, targets = (each[STEP // 2 :: STEP, STEP // 2 :: STEP].reshape(-1, 2) for each in (place, moved))
    camera, _ = cv2.findHomography(points, targets, cv2.RANSAC, ERROR) if len(points) >= 4 else (None, None)
    if camera is None:
        return np.zeros((height, width), np.float32)
    still = cv2.perspectiveTransform(place.reshape(-1, 1, 2), camera).reshape(place.shape)
    return np.asarray(np.linalg.norm(moved - still, axis=2) / max(height, width), np.float32)


def on_grid(motion: NDArray[np.float32], fit: Fit) -> NDArray[np.float32]:
    """The mean of each patch, ``(gh, gw)``."""
    rows, columns = (side * fit.patch / scaled for side, scaled in zip(fit.grid, fit.scaled, strict=True))
    height, width = round(motion.shape[0] * rows), round(motion.shape[1] * columns)
    padding = max(0, height - motion.shape[0]), max(0, width - motion.shape[1])
    padded = np.pad(motion, ((0, padding[0]), (0, padding[1])), mode="edge")
    return np.asarray(cv2.resize(padded, fit.grid[::-1], interpolation=cv2.INTER_AREA), np.float32)
