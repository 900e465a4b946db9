"""What moves by itself, in clips whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dinoseg.smoothing.motion import on_grid, own_motion, view
from dinoseg.types import Fit, Photo


def frame(camera: int, object_: int) -> NDArray[np.uint8]:
    """A textured ground that the camera shifts by so many px, and a textured disk at its own place."""
    random = np.random.default_rng(0)
    ground, disk = (cv2.GaussianBlur(random.uniform(0, 255, (240, 400)), (0, 0), 3) for _ in range(2))
    stretched = [np.clip((each - each.mean()) / each.std() * 40 + 128, 0, 255) for each in (ground, disk)]
    picture, disk = np.roll(stretched[0], camera, 1), np.roll(stretched[1], object_, 1)
    y, x = np.mgrid[:240, :400]
    inside = (y - 120) ** 2 + (x - 150 - object_) ** 2 < 40**2
    return np.ascontiguousarray(np.where(inside, disk, picture).astype(np.uint8)[:, 40:360])


@pytest.mark.parametrize("camera", [0, 4, -6])
def test_the_camera_is_taken_out(camera: int) -> None:
    motion = own_motion(frame(0, 0), frame(camera, 7))
    y, x = np.mgrid[:240, :320]
    distance = np.hypot(y - 120, x - 110)
    on, off = np.median(motion[distance < 25]), np.median(motion[distance > 70])
    assert on == pytest.approx(abs(7 - camera) / 320, rel=0.25)
    assert off < 0.1 * on


def test_a_still_or_empty_clip_does_not_move() -> None:
    assert own_motion(frame(0, 0), frame(0, 0)).max() < 1e-3
    flat = np.full((64, 96), 90, np.uint8)
    assert own_motion(flat, flat).max() < 1e-3


def test_frames_and_motion_lie_on_the_grid_as_the_photograph_does() -> None:
    fit = Fit((90, 160), (180, 320), (19, 32), 10)  # a row of padding
    photo = Photo("a", np.zeros((90, 160, 3), np.uint8), (90, 160))
    seen = view(photo, fit)
    assert seen.shape == (360, 640)
    motion = np.zeros(seen.shape, np.float32)
    motion[180:200, 320:340] = 1  # one patch
    cells = on_grid(motion, fit)
    assert cells.shape == (19, 32)
    assert np.argwhere(cells > 0.5).tolist() == [[9, 16]]
    assert cells[9, 16] == pytest.approx(1)
