"""Overlays as a video; whole runs are in the tests of tracking."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoseg.outputs.record import Record
from dinoseg.outputs.video import PAUSE, build, rate_for, repeats


def written(root: Path, *pictures: np.ndarray | bytes) -> bytes:
    """The video of these pictures, or of files with this content."""
    records = []
    for index, picture in enumerate(pictures):
        name = f"{index}.png"
        content = picture if isinstance(picture, bytes) else cv2.imencode(".png", picture)[1].tobytes()
        (root / name).write_bytes(content)
        records.append(Record(id=name, status="done", files={"overlays": name}))
    return b"".join(build(records, root))


@pytest.mark.parametrize(
    ("pictures", "frames"),
    [
        ([], 0),
        ([b"no picture"], 0),
        ([np.zeros((1, 40, 3), np.uint8)], 0),  # no even number of px
        ([b"no picture", np.zeros((33, 41, 3), np.uint8), np.zeros((33, 41, 3), np.uint8)], 2),
    ],
)
def test_what_cannot_be_a_frame_is_left_out(tmp_path: Path, pictures: list[np.ndarray | bytes], frames: int) -> None:
    content = written(tmp_path, *pictures)
    assert bool(content) is bool(frames)
    (tmp_path / "read.mp4").write_bytes(content)
    assert len(read(tmp_path / "read.mp4")) == frames


def test_frames_of_other_sizes_are_cut_or_stand_on_black(tmp_path: Path) -> None:
    sizes = [(32, 48), (64, 64), (16, 24), (64, 24)]
    content = written(tmp_path, *(np.full((*size, 3), 200, np.uint8) for size in sizes))
    (tmp_path / "read.mp4").write_bytes(content)
    shown = [(frame > 100).all(axis=2) for frame in read(tmp_path / "read.mp4")]  # (32, 48) each
    for frame, (height, width) in zip(shown, sizes, strict=True):
        expected = np.zeros((32, 48), bool)
        expected[:height, :width] = True
        assert (frame == expected).mean() > 0.95  # the codec loses a little at edges


@pytest.mark.parametrize(
    ("times", "rate", "expected"),
    [
        ([0, 0.04, 0.08], 25, (25, [1, 1, 1])),
        ([0, 0.033, 0.067, 0.1], 30, (30, [1, 1, 1, 1])),  # as Matroska rounds them
        ([0, 0.033, 0.433], 30, (30, [1, 12, 1])),
        ([0.5, 1.5], 10, (10, [10, 1])),  # the first picture begins the video
        ([0, 0.4, 0.42], 5, (50, [20, 1, 1])),  # a mean rate, closer frames
        ([0, 0, 0.1], 10, (10, [0, 1, 1])),
        ([0, 1e-9, 1], 10, (240, [0, 240, 1])),
        ([0, 1e9], 10, (10, [int(10 * PAUSE), 1])),
        ([7], 10, (10, [1])),
    ],
)
def test_pictures_stay_until_the_next_one_comes(
    times: list[float], rate: float, expected: tuple[float, list[int]]
) -> None:
    times = [float(time) for time in times]
    faster = rate_for(times, rate)
    assert (faster, repeats(times, faster)) == (pytest.approx(expected[0]), expected[1])


def read(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    return [frame for _, frame in iter(capture.read, (False, None))]
