"""Overlays as a video; whole runs are in the tests of tracking."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoseg.outputs.record import Record
from dinoseg.outputs.video import build


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
    capture = cv2.VideoCapture(str(tmp_path / "read.mp4"))
    assert sum(iter(lambda: capture.read()[0], False)) == frames
