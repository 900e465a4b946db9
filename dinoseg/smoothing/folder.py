"""A video's masks, into a folder as ``segment`` would fill it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dinoseg.images.video import Video, open_video
from dinoseg.options import OutputOptions, SelectOptions, SmoothOptions, VideoOptions, identity
from dinoseg.outputs import OF_SEVERAL, refuse_formats
from dinoseg.outputs.claim import refuse_results
from dinoseg.outputs.folder import check_output
from dinoseg.pipeline import Finished, selected
from dinoseg.runs.summary import Summary
from dinoseg.smoothing.stream import VideoSegmenter
from dinoseg.types import Failure
from dinoseg.version import __version__
from dinoseg.video_folder import write_video


def segment_video_folder(
    path: Path,
    options: VideoOptions,
    output: OutputOptions,
    *,
    select: SelectOptions | None = None,
    progress: Callable[[Finished | Failure], object] = lambda _: None,
) -> Summary:
    """Segment the frames of a video and write each one's results into ``output.output``.

    When a frame's results are missing, all are made again: each rests on those around it. Objects that ``select``
    leaves keep their numbers. Raises as ``segment_video`` does, before anything is written; frames that fail are in the
    summary and the manifest.
    """
    check_output(output)
    refuse_formats(output.wanted, OF_SEVERAL)
    refuse_results([path], output.output)
    video, segmenter = open_video(path, options.value_range), VideoSegmenter(options)
    select = select or SelectOptions()
    results = (selected(result, select, lasting=True) for result in segmenter.run(video))
    return write_video(
        video, results, run_of(segmenter, select, video), output, progress, str(segmenter.backbone.device)
    )


def run_of(segmenter: VideoSegmenter, select: SelectOptions, video: Video) -> dict[str, object]:
    """What decides the results of a run, for ``run.json``."""
    asked = segmenter.segmenter.identity() | identity(segmenter.options, SmoothOptions)
    facts = {"options": asked, "weights": segmenter.backbone.spec.sha256, "version": __version__, "fps": video.fps}
    chosen = identity(select)
    return facts | ({"select": chosen} if chosen else {})
