"""``overlays.mp4``: the overlays one after the other, each when its frame is shown in the video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from dinoseg.errors import MissingExtra
from dinoseg.images.video import FPS, natural
from dinoseg.outputs.claim import read_run
from dinoseg.outputs.files import existing
from dinoseg.outputs.format import FolderFormat
from dinoseg.outputs.record import Record

CODEC = "mp4v"  # MPEG-4 part 2: in every OpenCV, and fifty times as fast as its VP9
CHUNK = 1 << 20
FASTEST = 240.0  # frames per second that are written at most
PAUSE = 600.0  # seconds that a picture stays at most


def build(records: Iterable[Record], root: Path) -> Iterator[bytes]:
    """The video, at the times of its frames, or else at the speed that ``run.json`` names.

    In the place of a frame whose overlay is gone the one before it stays. Raises ``MissingExtra`` where OpenCV has no
    encoder.
    """
    found = [
        (path, record.time)
        for record in sorted(records, key=lambda record: natural(record.id))
        if (path := existing(root, record.files.get("overlays"))) is not None
    ]
    paths, times = [path for path, _ in found], [time for _, time in found if time is not None]
    rate = float((read_run(root) or {}).get("fps", FPS))
    with TemporaryDirectory() as folder:
        target = Path(folder) / "overlays.mp4"
        if not paths:
            return
        if len(times) < len(paths):  # a folder of frames
            encode(paths, [1] * len(paths), target, rate)
        else:
            rate = rate_for(times, rate)
            encode(paths, repeats(times, rate), target, rate)
        if not target.is_file():  # none of them can be read
            return
        with target.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk


def rate_for(times: list[float], rate: float) -> float:
    """The rate at which frames of these rising times (seconds) are told apart: ``rate`` wherever that does."""
    steps = [step for step in map(float.__sub__, times[1:], times) if step > 0]
    if all(repeats(times, rate)) or not steps:
        return rate
    return min(max(round(1 / min(steps), 3), rate), FASTEST)


def repeats(times: list[float], rate: float) -> list[int]:
    """How often the picture of each time is shown at that rate, so that the next one comes when it should.

    Codecs of OpenCV know no other way to keep times. The last one is shown once.
    """
    places = [0.0]
    for before, after in pairwise(times):
        places.append(places[-1] + min(max(after - before, 0.0), PAUSE) * rate)
    return [round(after) - round(before) for before, after in pairwise(places)] + [1]


def encode(paths: list[Path], repeated: list[int], target: Path, fps: float) -> None:
    """Pictures, each so many times, as a video of the first one's size, cut to even numbers of px as codecs want them.

    Larger ones are cut too, smaller ones stand at the top left on black. Those that cannot be read, or are 1 px high or
    wide, are left out; no file without any.
    """
    writer = None
    for path, times in zip(paths, repeated, strict=True):
        picture = cv2.imread(str(path))  # (H, W, 3) BGR
        if picture is None or min(picture.shape[:2]) < 2:
            continue
        if writer is None:
            height, width = (length // 2 * 2 for length in picture.shape[:2])
            writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*CODEC), fps, (width, height))
            if not writer.isOpened():
                raise MissingExtra(
                    "--formats video: this OpenCV cannot write mp4 files (pip install opencv-python-headless)."
                )
        frame = np.zeros((height, width, 3), np.uint8)
        frame[: picture.shape[0], : picture.shape[1]] = picture[:height, :width]
        for _ in range(times):
            writer.write(frame)
    if writer is not None:
        writer.release()


VIDEO = FolderFormat("overlays.mp4", build, needs=("overlays",))
