"""The objects of a video's first frame, followed: streaming, or into a folder as ``segment`` would fill it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinoseg.backbone.memory import within_memory
from dinoseg.backbone.runtime import load_network
from dinoseg.errors import ImageError, MaskError, OutOfMemory
from dinoseg.folder import unwritable
from dinoseg.images.frames import Frame, frame_of
from dinoseg.images.labels import object_numbers
from dinoseg.images.video import Video, open_video
from dinoseg.options import OutputOptions, TrackOptions, identity, with_options
from dinoseg.outputs import refuse_formats
from dinoseg.outputs.claim import refuse_results
from dinoseg.outputs.folder import check_output
from dinoseg.pipeline import Finished, Segmenter
from dinoseg.propagate import Propagator, Tracked
from dinoseg.rle import encode_rle, rle_area, rle_box
from dinoseg.runs.done import fingerprint
from dinoseg.runs.summary import Summary
from dinoseg.segmentation import Segmentation
from dinoseg.types import Failure, Instance, Photo
from dinoseg.version import __version__
from dinoseg.video_folder import write_video


@with_options(TrackOptions)
def track(video: str | Path, options: TrackOptions) -> Iterator[Segmentation | Failure]:
    """Each frame of a video file or a folder of frames with the objects of its first frame; memory stays bounded.

    ``Instance.label`` is the number that an object has in the mask. Keywords are those of ``TrackOptions``. Raises
    ``UsageError`` for wrong options and masks, ``ImageError`` for a video or first frame that cannot be used.
    """
    opened = open_video(video, options.value_range)
    for result in Tracker(options).run(opened):
        yield result if isinstance(result, Failure) else segmentation(result, opened)


class Tracker:
    """A network, and the mask or the method that says which objects are followed."""

    def __init__(self, options: TrackOptions) -> None:
        self.options = options
        self.labels = object_numbers(options.mask) if options.mask else None
        self.turned: Frame | None = None
        self.segmenter = None if options.mask else Segmenter.of(options)
        backbone = (self.segmenter and self.segmenter.backbone) or load_network(options)
        self.propagator = Propagator(backbone, options, size=options.size, batch=options.batch)

    def run(self, video: Video) -> Iterator[Tracked | Failure]:
        """See ``Propagator.run``; without a mask the first frame is segmented."""
        frames = video.frames()
        first = next(frames)
        if isinstance(first, Failure):
            raise first.error
        labels = self.found(first) if self.labels is None else self.upright(self.labels, first, video)
        yield from self.propagator.run(chain([first], frames), labels)

    def upright(self, labels: NDArray[np.uint8], first: Photo, video: Video) -> NDArray[np.uint8]:
        """The mask in the frame of the upright picture, where EXIF turns the first one. Raises ``MaskError``."""
        content = video.source(first.id).content
        frame = frame_of(content) if video.files is not None and isinstance(content, Path) else None
        if frame is None or not frame.turned:
            return labels
        turn = frame.turn(labels.shape, self.options.stored_frame)
        if turn is None and labels.shape != first.size:
            told = " x ".join(map(str, labels.shape[::-1]))
            raise MaskError(f"the mask is {told} px, the first frame {first.id} is {frame}.")
        self.turned = frame if turn else None
        return turn.array(labels) if turn else labels

    def found(self, first: Photo) -> NDArray[np.uint8]:
        """Objects of the first frame by the method, ``(H, W)``. Raises ``ImageError`` when there is none."""
        assert self.segmenter is not None
        result = self.segmenter(first.pixels)
        if not result.instances:
            raise ImageError(
                f"{first.id}: {self.options.method_name} finds no object ({result.reason}): give a --mask."
            )
        labels = np.zeros(first.size, np.uint8)
        for instance, mask in reversed(list(zip(result.instances, result.masks, strict=True))):
            labels[mask & (instance.label < 255)] = instance.label
        return labels


def segmentation(tracked: Tracked, video: Video) -> Segmentation:
    """A frame's labels as a result of the road; an object's score is its mean share in the patches it leads."""
    instances = [instance(tracked, index, number) for index, number in enumerate(tracked.objects, 1)]
    present = tuple(each for each in instances if each is not None)
    reason = None if present else "no_object"
    photo = tracked.photo
    return Segmentation(
        photo.id,
        present,
        reason,
        tracked.fit,
        video.source(photo.id),
        "none",
        notes=photo.notes,
        timings={"propagate": tracked.seconds},
        time=photo.time,
    )


def instance(tracked: Tracked, index: int, number: int) -> Instance | None:
    """The object of one channel, if it is in this frame."""
    mask = tracked.labels == number
    if not mask.any():
        return None
    share, rle = tracked.soft[index], encode_rle(mask)  # (gh, gw)
    leads = tracked.soft.argmax(axis=0) == index
    score = float(share[leads].mean()) if leads.any() else float(share.max())
    return Instance(rle, rle_box(rle), rle_area(rle), score, number, share)


def track_folder(
    path: Path, options: TrackOptions, output: OutputOptions, progress: Callable[[Finished | Failure], object]
) -> Summary:
    """Follow the objects through a video and write each frame's results into ``output.output``.

    When a frame's results are missing, all are made again: each rests on those before it. Raises as ``track`` does,
    before anything is written; frames that fail are in the summary and the manifest.
    """
    check_output(output)
    refuse_formats(output.wanted, "track compares patches only; name other --formats")
    refuse_results([path], output.output)
    video, tracker = open_video(path, options.value_range), Tracker(options)
    results = (finished(result, video) for result in tracker.run(video))
    device = str(tracker.propagator.backbone.device)
    summary = write_video(video, results, run_of(tracker, video), output, progress, device)
    turned = f"the mask was turned upright with its picture: {tracker.turned}" if tracker.turned else None
    return replace(summary, notes=(turned,) if turned else ())


def finished(result: Tracked | Failure, video: Video) -> Finished | Failure:
    """A frame's labels as they are written, if they fit into memory."""
    if isinstance(result, Failure):
        return result
    try:
        with within_memory(unwritable(result.photo.id)):
            found = segmentation(result, video)
            return Finished(found, result.photo, found.masks.astype(np.float32))
    except OutOfMemory as error:
        return Failure(result.photo.id, error, video.source(result.photo.id))


def run_of(tracker: Tracker, video: Video) -> dict[str, object]:
    """What decides the results of a run, for ``run.json``."""
    asked = identity(tracker.options)
    if tracker.options.mask:
        asked["mask"] = (fingerprint(tracker.options.mask) or {}).get("sha256")
    spec = tracker.propagator.backbone.spec
    asked |= {"mean": spec.mean, "std": spec.std}
    return {"options": asked, "weights": spec.sha256, "version": __version__, "fps": video.fps}
