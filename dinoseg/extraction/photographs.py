"""Photographs, and the frames of videos among them, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dinoseg.errors import ImageError
from dinoseg.images.find import find
from dinoseg.images.video import is_video, open_video
from dinoseg.runs.done import fingerprint
from dinoseg.types import Failure, Image, Source


class Photographs:
    """What is named, listed anew each time. The frames of ``clip.mp4`` are ``clip.mp4/frame-000000`` and so on."""

    def __init__(
        self, inputs: Sequence[str | Path], from_file: Path | None, exclude: Path | None, max_pixels: int
    ) -> None:
        """See ``find``, which is asked at once: raises what it raises."""
        self.named: dict[str, Any] = {"inputs": inputs, "from_file": from_file, "exclude": exclude}
        self._listing = find(**self.named)
        self.max_pixels = max_pixels
        self._videos: dict[str, Path] = {}
        self._prints: dict[str, Mapping[str, Any] | None] = {}

    @property
    def ignored(self) -> int:
        """Files beside the photographs that are no images, as far as listed."""
        return self._listing.ignored

    def __iter__(self) -> Iterator[Source | Failure]:
        """In the order of names; a ``Failure`` in the place of what cannot be read."""
        self._listing = find(**self.named)
        for source in self._listing:
            if isinstance(source, Source) and is_video(str(source.content)):
                yield from self.frames(source)
            else:
                yield source

    def frames(self, video: Source) -> Iterator[Source | Failure]:
        """The frames of a video file, read as they are asked for."""
        path = Path(str(video.content))
        self._videos[video.id] = path
        try:
            self._prints[video.id] = fingerprint(path)
            for frame in open_video(path).frames(self.max_pixels):
                id_ = f"{video.id}/{frame.id}"
                yield Failure(id_, frame.error) if isinstance(frame, Failure) else Source(id_, frame.pixels)
        except ImageError as error:
            yield Failure(video.id, error, video)

    def file(self, source: Source) -> Source:
        """The file that a source comes from: its own, or the video."""
        return Source(source.id, self._content(source))

    def fingerprint(self, source: Source) -> Mapping[str, Any] | None:
        """The ``fingerprint`` of that file; of a video from before it was read."""
        if isinstance(source.content, np.ndarray):
            return self._prints[source.id.rpartition("/")[0]]
        return fingerprint(source.content)

    def _content(self, source: Source) -> Image:
        if isinstance(source.content, np.ndarray):
            return self._videos[source.id.rpartition("/")[0]]
        return source.content
