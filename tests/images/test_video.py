"""Videos and folders of frames, made in code."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from dinoseg.errors import DamagedFrame, ImageTooLarge, InputNotFound, TruncatedImage, UnreadableVideo
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


PAUSED = [0, 33, 66, 466, 500, 533, 933, 966]
"""Milliseconds at which a screen recorder keeps a frame: only when something moves."""


def write_timed(path: Path, times: list[int], codec: str = "libx264", rate: int = 30, **options: str) -> Path:
    """The disk at these times (ms), as a container keeps them; ``options`` are the container's."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, rate if codec == "mjpeg" else 1000)
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(disk_photo(64, 96, (32, 20 + 4 * index), 14)[0], format="rgb24")
            frame.pts, frame.time_base = round(time / 1000 / stream.time_base), stream.time_base
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode())
    return path


def write_trimmed(path: Path, frames: int, shown: int) -> Path:
    """An MP4 whose edit list hides all but the last frames, as a cut without encoding leaves it."""
    whole = write_timed(path.with_name("whole.mp4"), [40 * index for index in range(frames)], rate=25)
    with (
        av.open(str(whole)) as source,
        av.open(str(path), "w", options={"avoid_negative_ts": "disabled", "movflags": "faststart"}) as target,
    ):
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None and packet.pts is not None:
                ahead = round(0.04 * (frames - shown) / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - ahead, packet.dts - ahead, copy
                target.mux(packet)
    return path


@pytest.mark.parametrize(("suffix", "codec"), [(".avi", "MJPG"), (".mp4", "mp4v")])
def test_a_file_is_its_frames(tmp_path: Path, suffix: str, codec: str) -> None:
    video = open_video(write_video(tmp_path / f"clip{suffix}", codec=codec))
    frames = list(video.frames())
    assert video.fps == 10
    assert [frame.id for frame in frames] == [f"frame-{index:06d}" for index in range(5)]
    assert all(isinstance(frame, Photo) and frame.size == (64, 96) for frame in frames)
    red = frames[2].pixels[..., 0].astype(int) - frames[2].pixels[..., 2]
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert abs(np.argwhere(red > 100)[:, 1].mean() - 36) < 2  # RGB, in the order of time
    assert video.source("frame-000002").content == tmp_path / f"clip{suffix}"


def test_a_folder_is_in_natural_order(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "frames", 3)
    for path, name in zip(paths, ("10.jpg", "9.jpg", "1.jpg"), strict=True):
        path.rename(path.with_name(name))
    video = open_video(tmp_path / "frames")
    assert [frame.id for frame in video.frames()] == ["1.jpg", "9.jpg", "10.jpg"]
    assert [frame.time for frame in video.frames()] == [None] * 3
    assert video.fps == FPS
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


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("clip.webm", "libvpx"),  # the header has a length, no count
        ("clip.mkv", "libx264"),
        ("clip.mp4", "libx264"),
        ("clip.avi", "mjpeg"),  # pauses are frames of no bytes
    ],
)
def test_frames_come_at_their_times_however_many_a_header_counts(tmp_path: Path, name: str, codec: str) -> None:
    frames = list(open_video(write_timed(tmp_path / name, PAUSED, codec)).frames())
    assert all(isinstance(frame, Photo) for frame in frames)
    assert [frame.time for frame in frames] == pytest.approx([time / 1000 for time in PAUSED], abs=0.02)


def test_frames_that_an_edit_list_hides_are_not_missed(tmp_path: Path) -> None:
    path = write_trimmed(tmp_path / "clip.mp4", 24, 16)
    frames = list(open_video(path).frames())
    assert [type(frame) for frame in frames] == [Photo] * 16
    assert frames[-1].time == pytest.approx(15 * 0.04)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    assert any(isinstance(frame, Failure) for frame in open_video(path).frames())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clip.webm", {}),
        ("clip.mkv", {}),
        ("live.mkv", {"live": "1"}),  # states neither its length nor a count
        ("clip.mp4", {"movflags": "faststart"}),
        ("pieces.mp4", {"movflags": "frag_keyframe+empty_moov", "frag_duration": "100000"}),
    ],
)
@pytest.mark.parametrize("share", [0.6, 0.8, 0.97])
def test_a_file_of_pauses_that_is_cut_short_is_told(
    tmp_path: Path, name: str, options: dict[str, str], share: float
) -> None:
    codec = "libvpx" if name.endswith("webm") else "libx264"
    path = write_timed(
        tmp_path / name, [time + 966 * turn for turn in range(4) for time in PAUSED[:-1]], codec, **options
    )
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    *frames, last = open_video(path).frames()
    assert len(frames) < 29
    assert isinstance(last, Failure) or any(isinstance(frame, Failure) for frame in frames)


def test_a_damaged_place_costs_its_frames_and_the_file_goes_on(tmp_path: Path) -> None:
    path = write_timed(tmp_path / "clip.mov", [40 * index for index in range(12)], "mjpeg", 25)
    content = bytearray(path.read_bytes())
    starts = [match.start() for match in re.finditer(b"\xff\xd8\xff", content)]
    content[starts[5] : starts[6]] = bytes(starts[6] - starts[5])
    path.write_bytes(content)
    frames = list(open_video(path).frames())
    assert [index for index, frame in enumerate(frames) if isinstance(frame, Failure)] == [5]
    assert len(frames) == 12
    assert isinstance(frames[5].error, DamagedFrame)
    assert str(frames[5].error).startswith("frame-000005 of clip.mov cannot be decoded")
    assert [frame.time for frame in frames if isinstance(frame, Photo)][5] == pytest.approx(0.24)


@pytest.mark.parametrize(("suffix", "behind"), [(".mp4", b"moov"), (".mkv", b"\x1c\x53\xbb\x6b")])
def test_frames_that_are_lost_at_the_end_of_a_whole_container_are_told(
    tmp_path: Path, suffix: str, behind: bytes
) -> None:
    path = write_timed(tmp_path / f"clip{suffix}", [40 * index for index in range(12)], "mjpeg", 25)
    content = bytearray(path.read_bytes())
    start = [match.start() for match in re.finditer(b"\xff\xd8\xff", content)][6]
    stop = content.rindex(behind) - 4
    content[start:stop] = bytes(stop - start)
    path.write_bytes(content)
    *frames, last = open_video(path).frames()
    assert [type(frame) for frame in frames] == [Photo] * 6
    assert "ends after frame 6 of 12" in str(last.error)


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
