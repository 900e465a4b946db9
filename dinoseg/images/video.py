"""A video file, or a folder of its frames, as photographs in the order of time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dinoseg.errors import DinosegError, InputNotFound, TruncatedImage, UnreadableVideo
from dinoseg.files import EMPTY, absent, check_regular, home_path
from dinoseg.images.decode import check_pixels, decode
from dinoseg.images.feed import read_ahead
from dinoseg.images.find import find
from dinoseg.options import InputOptions
from dinoseg.types import Failure, Photo, Source

FPS = 25.0
"""Frames per second where nothing says."""
AHEAD = 2
"""Frames that are read before they are asked for, in a thread each."""
DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """Where frames come from; ``frames`` reads them anew each time."""

    path: Path
    fps: float
    count: int
    """Frames of a folder, or as many as the file says it has (some say one too many)."""
    files: tuple[Source | Failure, ...] | None = None
    """The frames of a folder in natural order; None for a video file."""
    value_range: tuple[float, float] | None = None
    """How frames of more than 8 bit are read; see ``Source``."""

    def ids(self) -> Iterator[str]:
        """Names of the frames, in order."""
        return (frame_id(i) for i in range(self.count)) if self.files is None else (x.id for x in self.files)

    def frames(self, max_pixels: int = InputOptions.max_pixels) -> Iterator[Photo | Failure]:
        """Frame by frame; in the place of one that cannot be read a ``Failure``, also for a file that ends early.

        Raises ``UnreadableVideo`` or ``ImageTooLarge`` for a file none of which can be read.
        """
        if self.files is None:
            return file_frames(self.path, max_pixels)
        return read_ahead(self.files, lambda source: frame_of(source, max_pixels), workers=AHEAD, ahead=AHEAD)

    def source(self, id_: str) -> Source:
        """The file that a frame comes from: its own, or the video."""
        return Source(id_, self.path if self.files is None else self.path / id_, value_range=self.value_range)


def open_video(name: str | Path, value_range: tuple[float, float] | None = None) -> Video:
    """A folder of frames, read with that ``value_range`` (see ``Source``), or a video file.

    Raises ``InputNotFound`` and ``UnreadableVideo``.
    """
    path = home_path(str(name))
    if not (str(name) and os.path.lexists(path)):
        raise InputNotFound(f"{name or EMPTY}: {absent(str(name))}.")
    if path.is_dir():
        files = sorted(find([path], InputOptions()), key=lambda source: natural(source.id))
        if not files:
            raise InputNotFound(f"{path}: there is no image in this folder.")
        read = (x if isinstance(x, Failure) else x.with_values(value_range) for x in files)
        return Video(path, FPS, len(files), tuple(read), value_range)
    capture = open_capture(path)
    fps, count = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return Video(path, fps if 0 < fps < 1000 else FPS, max(count, 0))


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key in which 2 comes before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in DIGITS.split(name)]


def frame_of(source: Source | Failure, max_pixels: int = InputOptions.max_pixels) -> Photo | Failure:
    """One file of a folder."""
    if isinstance(source, Failure):
        return source
    try:
        return decode(source, max_pixels=max_pixels)
    except DinosegError as error:
        return Failure(source.id, error, source)


def open_capture(path: Path) -> Any:
    """OpenCV's reader. Raises ``UnreadableVideo``."""
    try:
        check_regular(path)
    except OSError as error:
        raise UnreadableVideo(f"{path} cannot be opened as a video ({error.strerror}).") from error
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # of damaged files it would print a line per damage
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)  # others would take a picture for the first of a series
    if not capture.isOpened():
        raise UnreadableVideo(
            f"{path} cannot be opened as a video: it is none, it is cut short, or its codec is not in this OpenCV "
            f"({cv2.__version__}). Convert it: ffmpeg -i {path.name} -c:v libx264 new.mp4, or to a folder of frames."
        )
    return capture


def file_frames(path: Path, max_pixels: int) -> Iterator[Photo | Failure]:
    """See ``Video.frames``; ids are ``frame-000000`` and so on."""
    capture = open_capture(path)
    try:
        width, height, promised = (
            int(capture.get(key))
            for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_COUNT)
        )
        check_pixels(width, height, max_pixels)
        index = 0
        while (read := capture.read())[0]:
            pixels = np.asarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), np.uint8)  # (H, W, 3)
            yield Photo(frame_id(index), pixels, (pixels.shape[0], pixels.shape[1]))
            index += 1
    finally:
        capture.release()
    if not index:
        raise UnreadableVideo(f"{path}: not one frame of this video can be read; it may be cut short, fetch it again.")
    if promised - index > 1:  # some containers count one too many
        told = f"{path.name} ends after frame {index} of {promised}: it is cut short or damaged; fetch it again."
        yield Failure(frame_id(index), TruncatedImage(told), Source(frame_id(index), path))


def frame_id(index: int) -> str:
    """Name of a frame of a video file; zeros lead, so that names sort as frames do."""
    return f"frame-{index:06d}"
