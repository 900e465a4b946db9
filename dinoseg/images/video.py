"""A video file, or a folder of its frames, as photographs in the order of time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dinoseg.errors import DamagedFrame, DinosegError, InputNotFound, OptionError, TruncatedImage, UnreadableVideo
from dinoseg.files import EMPTY, absent, check_regular, home_path
from dinoseg.images.containers import is_cut
from dinoseg.images.decode import check_pixels, decode
from dinoseg.images.feed import read_ahead
from dinoseg.images.find import find
from dinoseg.options import MAX_PIXELS
from dinoseg.types import Failure, Photo, Source

SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
"""Files that were named, or are in a list, and end so are read as videos; in folders there are photographs only."""
FPS = 25.0
"""Frames per second where nothing says."""
AHEAD = 2
"""Frames that are read before they are asked for, in a thread each."""
PATIENCE = 1000
"""Reads in a row that give nothing after which a file is at its end; there each takes some microseconds."""
DIGITS = re.compile(r"(\d+)")
LOG_ERRORS = 2
"""OpenCV's level for errors and what is worse."""


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """Where frames come from; ``frames`` reads them anew each time."""

    path: Path
    fps: float
    """Frames per second, or about so many: ``Photo.time`` is exact."""
    files: tuple[Source | Failure, ...] | None = None
    """The frames of a folder in natural order; None for a video file."""
    value_range: tuple[float, float] | None = None
    """How frames of more than 8 bit are read; see ``Source``."""

    def frames(self, max_pixels: int = MAX_PIXELS) -> Iterator[Photo | Failure]:
        """Frame by frame; in the place of one that cannot be read a ``Failure``, also for a file that ends early.

        How many frames a file has is known at its end: what its header counts may never be shown.
        Raises ``UnreadableVideo`` or ``ImageTooLarge`` for a file none of which can be read.
        """
        if self.files is None:
            return file_frames(self.path, max_pixels)
        return read_ahead(self.files, lambda source: frame_of(source, max_pixels), workers=AHEAD, ahead=AHEAD)

    def source(self, id_: str) -> Source:
        """The file that a frame comes from: its own, or the video."""
        return Source(id_, self.path if self.files is None else self.path / id_, value_range=self.value_range)


def is_video(name: str | Path) -> bool:
    """Whether a file that was named is read as a video, by its ending."""
    return str(name).lower().endswith(SUFFIXES)


def named_video(names: Sequence[str | Path], asked: bool, more: bool) -> Path | None:
    """The one video file, or the folder of frames, that is to be taken as a video; None for photographs.

    ``asked``: what was named is a video whatever it is; ``more``: something else of runs over photographs is asked for
    (a list, a shard). Raises ``OptionError`` for more than one video, or a video among photographs.
    """
    if not (asked or any(map(is_video, names))):
        return None
    if len(names) != 1 or more:
        raise OptionError(
            "a video is a run of its own: name one video file, or one folder of frames with --video, and nothing else."
        )
    return home_path(str(names[0]))


def open_video(name: str | Path, value_range: tuple[float, float] | None = None) -> Video:
    """A folder of frames, read with that ``value_range`` (see ``Source``), or a video file.

    Raises ``InputNotFound`` and ``UnreadableVideo``.
    """
    path = home_path(str(name))
    if not (str(name) and os.path.lexists(path)):
        raise InputNotFound(f"{name or EMPTY}: {absent(str(name))}.")
    if path.is_dir():
        files = sorted(find([path]), key=lambda source: natural(source.id))
        if not files:
            raise InputNotFound(f"{path}: there is no image in this folder.")
        read = (x if isinstance(x, Failure) else x.with_values(value_range) for x in files)
        return Video(path, FPS, tuple(read), value_range)
    capture = open_capture(path)
    rate = rate_of(capture)
    capture.release()
    return Video(path, rate)


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key in which 2 comes before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in DIGITS.split(name)]


def frame_of(source: Source | Failure, max_pixels: int = MAX_PIXELS) -> Photo | Failure:
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
    # OpenCV 4 and 5 have it in different places
    set_log_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
    set_log_level(LOG_ERRORS)
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
    rate, promised = rate_of(capture), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    index, last, pause = 0, None, 0.0
    try:
        width, height = (int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        check_pixels(width, height, max_pixels)
        for index, time in enumerate(moments(capture, rate), 1):
            id_ = frame_id(index - 1)
            if time is None:
                told = f"{id_} of {path.name} cannot be decoded: the file is damaged there; fetch it again."
                yield Failure(id_, DamagedFrame(told), Source(id_, path))
                continue
            last, pause = time, pause if last is None else max(pause, time - last)
            pixels = np.asarray(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB), np.uint8)  # (H, W, 3)
            yield Photo(id_, pixels, (pixels.shape[0], pixels.shape[1]), time=time)
    finally:
        capture.release()
    if last is None:
        raise UnreadableVideo(f"{path}: not one frame of this video can be read; it may be cut short, fetch it again.")
    missing = promised <= 0 or index < promised
    if is_cut(path, missing=missing, counted=promised / rate, shown=last + pause + 1 / rate):
        of = f" of {promised}" if promised > 0 else ""
        told = f"{path.name} ends after frame {index}{of}: it is cut short or damaged; fetch it again."
        yield Failure(frame_id(index), TruncatedImage(told), Source(frame_id(index), path))


def rate_of(capture: Any) -> float:
    """Frames per second that the container states."""
    fps = float(capture.get(cv2.CAP_PROP_FPS))
    return fps if 0 < fps < 1000 else FPS


def moments(capture: Any, rate: float) -> Iterator[float | None]:
    """Seconds from the start for each frame, which is then to be retrieved; None for one that cannot be decoded.

    At the end of a file nothing more is read, at a damaged place something is soon again.
    """
    time, missed = 0.0, 0
    for index in count():
        while missed < PATIENCE and not capture.grab():
            missed += 1
        if missed == PATIENCE:
            return
        yield from repeat(None, missed)
        told = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        time = told if told > time or not index else time + (1 + missed) / rate  # some frames have none
        missed = 0
        yield time


def frame_id(index: int) -> str:
    """Name of a frame of a video file; zeros lead, so that names sort as frames do."""
    return f"frame-{index:06d}"
