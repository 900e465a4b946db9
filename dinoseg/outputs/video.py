"""``overlays.mp4``: the overlays one after the other, for frames of a video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def build(records: Iterable[Record], root: Path) -> Iterator[bytes]:
    """The video, at the speed that ``run.json`` names; overlays that are gone are left out.

    Raises ``MissingExtra`` where OpenCV has no encoder.
    """
    files = {record.id: existing(root, record.files.get("overlays")) for record in records}
    paths = [path for _, path in sorted(files.items(), key=lambda item: natural(item[0])) if path is not None]
    with TemporaryDirectory() as folder:
        target = Path(folder) / "overlays.mp4"
        if not paths:
            return
        encode(paths, target, float((read_run(root) or {}).get("fps", FPS)))
        if not target.is_file():  # none of them can be read
            return
        with target.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk


def encode(paths: list[Path], target: Path, fps: float) -> None:
    """Pictures as a video of the first one's size, cut to even numbers of px as codecs want them.

    Larger ones are cut too, smaller ones stand at the top left on black. Those that cannot be read, or are 1 px high or
    wide, are left out; no file without any.
    """
    writer = None
    for path in paths:
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
        writer.write(frame)
    if writer is not None:
        writer.release()


VIDEO = FolderFormat("overlays.mp4", build, needs=("overlays",))
