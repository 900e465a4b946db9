"""A run over a video: the results of its frames, each of which rests on others, as a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from dinoseg.folder import FolderRun
from dinoseg.images.feed import WORKERS, read_ahead
from dinoseg.images.video import Video
from dinoseg.options import OutputOptions
from dinoseg.outputs.folder import OutputFolder
from dinoseg.pipeline import Finished
from dinoseg.runs.done import fingerprint
from dinoseg.runs.summary import Summary
from dinoseg.types import Failure


def write_video(
    video: Video,
    results: Iterator[Finished | Failure],
    facts: Mapping[str, object],
    output: OutputOptions,
    progress: Callable[[Finished | Failure], object],
    device: str,
) -> Summary:
    """Write the results of all frames into ``output.output``, unless an earlier run has done that.

    When a frame's results are missing, all are made again: each rests on others. ``facts`` decide the results, see
    ``OutputFolder``. What the first result raises is raised before anything is written.
    """
    start = time.perf_counter()
    prints = fingerprints(video)
    first = next(results)
    with OutputFolder(output, facts) as folder:
        run = FolderRun(folder)
        run.skipped, failed = earlier(video, folder)
        for each in failed:
            run.count(each)
        if not run.skipped:
            named = named_by_file(chain([first], results), run, prints)
            for result in read_ahead(named, run.write, workers=1, ahead=WORKERS):
                run.count(result)
                progress(result)
        folder.finish()
    return run.summary(device, time.perf_counter() - start)


def named_by_file(
    results: Iterator[Finished | Failure], run: FolderRun, prints: Mapping[str, Mapping[str, Any] | None]
) -> Iterator[Finished | Failure]:
    """The same; the run is told the fingerprint of the file that each comes from."""
    for result in results:
        if isinstance(result, Finished):
            run.prints[result.photo.id] = prints.get(str(result.segmentation.source.content))
        yield result


def fingerprints(video: Video) -> dict[str, Mapping[str, Any] | None]:
    """Of the files that frames come from, by path, before any is decoded."""
    paths = [source.content for source in video.files or () if not isinstance(source, Failure)]
    files = [Path(str(path)) for path in paths] if video.files is not None else [video.path]
    return {str(path): fingerprint(path) for path in files}


def earlier(video: Video, folder: OutputFolder) -> tuple[int, list[Failure]]:
    """How many frames an earlier run of the same command has done, and those that cannot be read.

    ``(0, [])`` unless these are all frames: how many a video has is known when it was read to its end.
    """
    done, failed = 0, []
    for frame in video.frames():
        if isinstance(frame, Failure):
            failed.append(frame)
        elif folder.done(video.source(frame.id)):
            done += 1
        else:
            return 0, []
    return done, failed
