"""``dinoseg segment``: masks of photographs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

from cyclopts import Parameter

from dinoseg.cli.arguments import IMAGES, INPUT, MODEL, OBJECTS, OUTPUT
from dinoseg.cli.console import (
    as_json,
    inform,
    say_counts,
    say_failures,
    say_notes,
    say_nothing_found,
    tell,
    tell_json,
    tell_table,
)
from dinoseg.cli.exits import DONE, of_counts
from dinoseg.errors import OptionError
from dinoseg.options import (
    InputOptions,
    OutputOptions,
    SegmentOptions,
    SelectOptions,
    ShardOptions,
    SmoothOptions,
    VideoOptions,
    values,
)
from dinoseg.runs.progress import progress_bar

if TYPE_CHECKING:
    from dinoseg.pipeline import Finished
    from dinoseg.runs.summary import Summary
    from dinoseg.types import Failure, Source

WATCH = "Do photographs as they come into the folders, until Ctrl-C."
VIDEO = "The folder holds the frames of one video (a video file needs no word)."
FACTS = ("done", "empty", "skipped", "ignored", "device", "seconds", "stages")
"""Of the road's summary, for ``--json``."""


def segment(
    *images: Annotated[str, IMAGES],
    output: Annotated[OutputOptions, OUTPUT],
    inputs: Annotated[InputOptions | None, INPUT] = None,
    part: Annotated[ShardOptions | None, INPUT] = None,
    watch: Annotated[bool, INPUT, Parameter(negative="", help=WATCH)] = False,
    options: Annotated[SegmentOptions | None, MODEL] = None,
    select: Annotated[SelectOptions | None, OBJECTS] = None,
    video: Annotated[bool, INPUT, Parameter(negative="", help=VIDEO)] = False,
    smooth: Annotated[SmoothOptions | None, OBJECTS] = None,
) -> int:
    """Masks, overlays and COCO json of photographs, or of a video, without labels.

    A second run of the same command does only what is missing.
    One photograph makes one picture: `segment a.jpg -o a.png` writes its cut-out, `segment - -o -` is a filter.
    Masks of a video (`segment clip.mp4`) agree from frame to frame, and objects keep their numbers.
    """
    inputs, options, select = inputs or InputOptions(), options or SegmentOptions(), select or SelectOptions()
    smooth = smooth or SmoothOptions()
    from dinoseg.cli.before import before_segment, before_shard, before_video, count_images, the_photograph
    from dinoseg.images.video import named_video
    from dinoseg.outputs.picture import is_picture

    shard = before_shard(part, output, watch=watch)
    if clip := named_video(images, video, watch or bool(shard) or inputs.from_file is not None):
        asked = VideoOptions(**values(options), **values(smooth))
        before_video(clip, asked, output)
        return one_video(clip, asked, output, select)
    if smooth != SmoothOptions():
        raise OptionError(
            "--reach and --keep-still are of videos: name a video file, or a folder of frames and --video."
        )
    before_segment(images, inputs, options, output)
    if watch:
        watch_folders(images, inputs, options, output, select)
    if is_picture(output.output):
        return one_picture(the_photograph(images, inputs, output.output), options, output, select)
    from dinoseg.folder import segment_folder
    from dinoseg.outputs.shards import shard_output
    from dinoseg.pipeline import Finished

    notes: Counter[str] = Counter()
    with progress_bar(count=lambda: count_images(images, inputs, output.output, shard)) as bar:

        def progress(result: Finished | Failure | Source) -> None:
            bar.update()
            if isinstance(result, Finished):
                notes.update(note.partition(":")[0] for note in result.segmentation.notes)

        summary = segment_folder(
            images, options, output, select=select, from_file=inputs.from_file, shard=shard, progress=progress
        )
    output = shard_output(output, shard) if shard else output
    if summary.done or summary.skipped or summary.failed:
        say_how_it_went(summary, notes, output.output / "manifest.jsonl")
    else:
        say_nothing_found(images or [inputs.from_file], summary.ignored)
    tell_results(summary, notes, output)
    if shard and not summary.failed:  # a part may be empty
        return DONE
    return of_counts(summary.done + summary.skipped, summary.failed)


def one_video(video: Path, options: VideoOptions, output: OutputOptions, select: SelectOptions) -> int:
    """The frames of a video, smoothed over time, as a folder of results."""
    from dinoseg.cli.before import count_frames
    from dinoseg.smoothing.folder import segment_video_folder

    notes: Counter[str] = Counter()
    with progress_bar(unit=" frames", count=lambda: count_frames(video)) as bar:

        def progress(_: Finished | Failure) -> None:
            bar.update()

        summary = segment_video_folder(video, options, output, select=select, progress=progress)
    say_how_it_went(summary, notes, output.output / "manifest.jsonl")
    tell_results(summary, notes, output)
    return of_counts(summary.done + summary.skipped, summary.failed)


def watch_folders(
    images: Sequence[str], inputs: InputOptions, options: SegmentOptions, output: OutputOptions, select: SelectOptions
) -> NoReturn:
    """Do photographs as they come, a line on stderr for each, until the command is interrupted."""
    from dinoseg.outputs.picture import is_picture

    if inputs.from_file or is_picture(output.output) or output.json:
        raise OptionError(
            "--watch looks into folders and writes into one: leave out --from-file, --json, and name both."
        )
    from dinoseg.folder import segment_folder
    from dinoseg.pipeline import Finished
    from dinoseg.types import Failure

    def progress(result: Finished | Failure | Source) -> None:
        if isinstance(result, Finished):
            found = result.segmentation
            inform(f"done: {found.id}" + (f" ({found.reason})" if found.reason else ""))
        elif isinstance(result, Failure):
            say_failures([result], 1, "")

    inform("Watching; Ctrl-C ends it, and the same command goes on.")
    segment_folder(images, options, output, select=select, watched=True, progress=progress)
    raise KeyboardInterrupt


def one_picture(photograph: Path, options: SegmentOptions, output: OutputOptions, select: SelectOptions) -> int:
    """The cut-out, or another picture, of one photograph; its place on stdout, or the picture itself."""
    from dinoseg.outputs.picture import PIPE
    from dinoseg.picture import segment_picture

    if output.output == PIPE and sys.stdout.isatty():
        raise OptionError("standard output is a terminal: send the picture into a file (> a.png), or name one with -o.")
    image = sys.stdin.buffer.read() if photograph == PIPE else photograph
    found, content = segment_picture(image, options, output, select)
    if not found:
        inform(f"no object: {found.reason}")
    if output.output == PIPE:
        sys.stdout.buffer.write(content)
    else:
        tell(output.output)
    return DONE


def say_how_it_went(summary: Summary, notes: Counter[str], manifest: Path) -> None:
    """Failures, notes and counts, on stderr."""
    say_failures(summary.failures, summary.failed, f"{manifest} names all of them")
    say_notes(notes, f"{manifest} says of which")
    counts = {
        "done": summary.done,
        "of these without an object": summary.empty,
        "done before": summary.skipped,
        "failed": summary.failed,
        "other files ignored": summary.ignored,
    }
    say_counts(counts, f"; {summary.seconds:.1f} s on {summary.device}")


def tell_results(summary: Summary, notes: Counter[str], output: OutputOptions) -> None:
    """Where the results are, on stdout."""
    places = result_places(output)
    if output.json:
        facts = {name: getattr(summary, name) for name in FACTS}
        tell_json(
            facts
            | {"notes": notes, "failed_count": summary.failed, "failed": as_json(summary.failures), "results": places}
        )
    elif summary.done or summary.skipped:
        tell_table(places.items())


def result_places(output: OutputOptions) -> dict[str, Path]:
    """The folder or file of each format, and the manifest."""
    from dinoseg.outputs import split_formats

    per_image, per_folder = split_formats(output.wanted)
    folders = {name: output.output / name for name in per_image}
    files = {name: output.output / format_.file for name, format_ in per_folder.items()}
    return folders | files | {"manifest": output.output / "manifest.jsonl"}
