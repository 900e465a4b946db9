"""Videos and folders of frames, made in code."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoseg.errors import ImageTooLarge, InputNotFound, TruncatedImage, UnreadableVideo
from dinoseg.images.video import FPS, natural, open_video
from dinoseg.types import Failure, Photo
from tests.helpers import disk_photo, write_images


def write_video(path: Path, frames: int = 5, fps: float = 10, codec: str = "MJPG") -> Path:
    """A disk that goes to the right; every frame of Motion JPEG stands alone."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, (96, 64))
    for index in range(frames):
        writer.write(cv2.cvtColor(disk_photo(64, 96, (32, 20 + 8 * index), 14)[0], cv2.COLOR_RGB2BGR))
    writer.release()
    return path


@pytest.mark.parametrize(("suffix", "codec"), [(".avi", "MJPG"), (".mp4", "mp4v")])
def test_a_file_is_its_frames(tmp_path: Path, suffix: str, codec: str) -> None:
    video = open_video(write_video(tmp_path / f"clip{suffix}", codec=codec))
    frames = list(video.frames())
    assert (video.fps, video.count) == (10, 5)
    assert [frame.id for frame in frames] == list(video.ids()) == [f"frame-{index:06d}" for index in range(5)]
    assert all(isinstance(frame, Photo) and frame.size == (64, 96) for frame in frames)
    red = frames[2].pixels[..., 0].astype(int) - frames[2].pixels[..., 2]
    assert abs(np.argwhere(red > 100)[:, 1].mean() - 36) < 2  # RGB, in the order of time
    assert video.source("frame-000002").content == tmp_path / f"clip{suffix}"


def test_a_folder_is_in_natural_order(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "frames", 3)
    for path, name in zip(paths, ("10.jpg", "9.jpg", "1.jpg"), strict=True):
        path.rename(path.with_name(name))
    video = open_video(tmp_path / "frames")
    assert [frame.id for frame in video.frames()] == list(video.ids()) == ["1.jpg", "9.jpg", "10.jpg"]
    assert (video.fps, video.count) == (FPS, 3)
    assert video.source("9.jpg").content == tmp_path / "frames" / "9.jpg"


@pytest.mark.parametrize(
    "names",
    [
        ["2", "10"],
        ["a2b", "a10b"],
        ["a/9.png", "a/10.png", "b/1.png"],
        ["1", "a"],  # digits and letters at the same place
    ],
)
def test_natural_order(names: list[str]) -> None:
    shuffled = names[::-1]
    assert sorted(shuffled, key=natural) == names


def test_a_broken_frame_of_a_folder_is_a_failure(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "frames", 3)
    paths[1].write_bytes(paths[1].read_bytes()[:500])
    frames = list(open_video(tmp_path / "frames").frames())
    assert [type(frame) for frame in frames] == [Photo, Failure, Photo]


def test_a_file_that_is_cut_short_says_where(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", frames=20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    *frames, last = open_video(path).frames()
    assert 3 < len(frames) < 17
    assert isinstance(last, Failure)
    assert isinstance(last.error, TruncatedImage)
    assert f"ends after frame {len(frames)} of 20" in str(last.error)


@pytest.mark.parametrize("content", [b"", b"no video", bytes(5000)])
def test_what_is_no_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableVideo, match=r"clip\.mp4 cannot be opened as a video.*ffmpeg"):
        list(open_video(path).frames())


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match=r"clip\.mp4: is not there"):
        open_video(tmp_path / "clip.mp4")
    with pytest.raises(InputNotFound, match="empty name"):  # not the folder that one happens to be in
        open_video("")
    with pytest.raises(InputNotFound, match=r"^https://somewhere\.org/a\.mp4: is a URL"):
        open_video("https://somewhere.org/a.mp4")
    with pytest.raises(InputNotFound, match="no image"):
        open_video(tmp_path)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "clip.avi", frames=3)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(list(open_video("~/clip.avi").frames())) == 3


@pytest.mark.parametrize("target", ["pipe", "/dev/zero", "nothing"])
def test_only_a_file_is_opened_as_a_video(tmp_path: Path, target: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "clip.mp4").symlink_to(target)
    with pytest.raises(UnreadableVideo, match=r"clip\.mp4 cannot be opened as a video \("):
        open_video(tmp_path / "clip.mp4")


def test_large_frames_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    with pytest.raises(ImageTooLarge):
        list(open_video(write_video(tmp_path / "clip.avi")).frames(max_pixels=1000))
