"""Photographs and the frames of videos among them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoseg.errors import InputNotFound
from dinoseg.extraction.photographs import Photographs
from dinoseg.options import MAX_PIXELS
from dinoseg.types import Failure
from tests.helpers import disk_photo, write_images


def write_video(path: Path, frames: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (128, 96))
    for number in range(frames):
        writer.write(disk_photo(96, 128, (40 + 4 * number, 60))[0][..., ::-1])
    writer.release()
    return path


def listed(*inputs, from_file=None):
    return Photographs(inputs, from_file, None, MAX_PIXELS)


def test_frames_lie_among_photographs_each_time(tmp_path):
    write_images(tmp_path / "photos", 2)
    video = write_video(tmp_path / "clip.mp4", 3)
    photographs = listed(tmp_path / "photos", video)
    frames = [f"clip.mp4/frame-{number:06d}" for number in range(3)]
    ids = ["photos/photo_000.jpg", "photos/photo_001.jpg", *frames]
    assert [source.id for source in photographs] == ids
    sources = list(photographs)
    assert [source.id for source in sources] == ids
    assert photographs.file(sources[-1]).content == video
    assert photographs.fingerprint(sources[-1])["size"] == video.stat().st_size
    assert photographs.file(sources[0]).content == sources[0].content
    assert sources[-1].content.shape == (96, 128, 3)


def test_a_video_in_a_list(tmp_path):
    write_video(tmp_path / "clip.mp4", 1)
    (tmp_path / "list.txt").write_text("clip.mp4\n")
    assert [source.id for source in listed(from_file=tmp_path / "list.txt")] == ["clip.mp4/frame-000000"]


def test_what_is_no_video_costs_that_one(tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    good = write_video(tmp_path / "good.mp4", 1)
    bad, frame = listed(tmp_path / "bad.mp4", good)
    assert isinstance(bad, Failure)
    assert bad.reason == "unreadable_video"
    assert isinstance(frame.content, np.ndarray)
    with pytest.raises(InputNotFound):
        listed(tmp_path / "nothing.mp4")
