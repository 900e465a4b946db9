"""The objects of a video, frame by frame, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dinoseg.backbone.families import family_of
from dinoseg.encoding import Encoded, Encoder
from dinoseg.errors import OptionError
from dinoseg.images.feed import WORKERS, read_ahead
from dinoseg.images.video import Video, open_video
from dinoseg.methods.base import facet_for
from dinoseg.options import VideoOptions, with_options
from dinoseg.pipeline import Finished, Proposed, Segmenter
from dinoseg.segmentation import Segmentation
from dinoseg.smoothing.window import Window
from dinoseg.types import Failure, Source


@with_options(VideoOptions)
def segment_video(video: str | Path, options: VideoOptions) -> Iterator[Segmentation | Failure]:
    """The objects of each frame of a video file or a folder of frames, which agree from frame to frame.

    ``Instance.label`` is a number that an object keeps. No first mask is needed; memory stays bounded. Keywords are
    those of ``VideoOptions``. Raises ``UsageError`` for wrong options, ``ImageError`` for a video that cannot be used.
    """
    for result in VideoSegmenter(options).run(open_video(video, options.value_range)):
        yield result if isinstance(result, Failure) else result.segmentation


class VideoSegmenter:
    """A segmenter whose results are smoothed over time. Raises as ``Segmenter`` does."""

    def __init__(self, options: VideoOptions) -> None:
        self.options = options
        self.segmenter = Segmenter.of(options)
        backbone = self.segmenter.backbone
        if backbone is None:
            raise OptionError(
                f"--method {options.method_name} has no network, whose features smooth a video: name another."
            )
        self.backbone = backbone
        family = backbone.spec.family
        self.facet = "key" if "key" in family_of(family).facets else facet_for(family)
        facets = dict.fromkeys((*self.segmenter.encoder.facets, self.facet))
        self.encoder = Encoder(options, backbone, facets)

    def run(self, video: Video) -> Iterator[Finished | Failure]:
        """Its frames in order; a ``Failure`` in the place of one that cannot be read or has another size."""
        times: dict[str, float | None] = {}

        def placed(each: Encoded) -> Encoded:
            photo = replace(each.photo, time=times.pop(each.source.id, None))
            return replace(each, photo=photo, source=video.source(each.source.id))

        def propose(encoded: Sequence[Encoded]) -> list[Proposed]:
            return self.segmenter.propose([placed(each) for each in encoded])

        proposed = self.encoder.stream(sources(video, times, self.options.max_pixels), propose)
        smoothed = Window(self.options, self.facet).run(proposed) if self.options.reach else proposed
        yield from read_ahead(smoothed, self.finish, workers=WORKERS, ahead=WORKERS)

    def finish(self, proposed: Proposed | Failure) -> Finished | Failure:
        """Masks at full size, at the time of their frame."""
        result = self.segmenter.finish(proposed)
        if isinstance(result, Failure):
            return result
        return replace(result, segmentation=replace(result.segmentation, time=result.photo.time))


def sources(video: Video, times: dict[str, float | None], max_pixels: int) -> Iterator[Source | Failure]:
    """Frames before they are encoded; ``times`` is told when each is shown."""
    if video.files is not None:
        yield from video.files
        return
    for frame in video.frames(max_pixels):
        if isinstance(frame, Failure):
            yield frame
        else:
            times[frame.id] = frame.time
            yield Source(frame.id, frame.pixels)
