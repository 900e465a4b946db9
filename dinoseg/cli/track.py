"""``dinoseg track``: the objects of a video's first frame, followed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dinoseg.cli.arguments import MODEL, OUTPUT
from dinoseg.cli.console import as_json, inform, say_counts, say_failures, tell_json, tell_table
from dinoseg.cli.exits import of_counts
from dinoseg.cli.segment import result_places
from dinoseg.options import FrameOptions, TrackOptions
from dinoseg.runs.progress import progress_bar

if TYPE_CHECKING:
    from dinoseg.pipeline import Finished
    from dinoseg.types import Failure


def track(
    video: Annotated[Path, Parameter(help="A video file, or a folder of frames (in natural order).")],
    /,
    *,
    output: Annotated[FrameOptions, OUTPUT],
    options: Annotated[TrackOptions | None, MODEL] = None,
) -> int:
    """Follow the objects of a video's first frame: given as a mask, or found by a method. Nothing is trained.

    Labels keep the mask's numbers. A second run of the same command finds what is done.
    """
    options = options or TrackOptions()
    from dinoseg.cli.before import before_track, count_frames

    before_track(video, options, output)
    from dinoseg.tracking import track_folder

    with progress_bar(unit=" frames", count=lambda: count_frames(video)) as bar:

        def progress(result: Finished | Failure) -> None:  # noqa: ARG001 (whatever came of it)
            bar.update()

        summary = track_folder(video, options, output, progress)
    say_failures(summary.failures, summary.failed, f"{output.output / 'manifest.jsonl'} names all of them")
    counts = {"done": summary.done, "done before": summary.skipped, "failed": summary.failed}
    say_counts(counts, f"; {summary.seconds:.1f} s on {summary.device}")
    for note in summary.notes:
        inform(note)
    places = result_places(output)
    if output.json:
        facts = {name: getattr(summary, name) for name in ("done", "skipped", "device", "seconds")}
        tell_json(facts | {"failed": as_json(summary.failures), "results": places})
    else:
        tell_table(places.items())
    return of_counts(summary.done + summary.skipped, summary.failed)
