"""``dinoseg attend``: what the heads of a network look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from dinoseg.cli.arguments import IMAGES, INPUT, MODEL, OUTPUT
from dinoseg.cli.console import as_json, say_counts, say_failures, say_nothing_found, tell, tell_json
from dinoseg.cli.exits import of_counts
from dinoseg.options import AttendOptions, FigureOptions, InputOptions, LikeOptions
from dinoseg.runs.progress import progress_bar

if TYPE_CHECKING:
    from dinoseg.runs.summary import Summary


def attend(
    *images: Annotated[str, IMAGES],
    output: Annotated[FigureOptions, OUTPUT],
    inputs: Annotated[InputOptions | None, INPUT] = None,
    options: Annotated[AttendOptions | None, MODEL] = None,
    like: Annotated[LikeOptions | None, MODEL] = None,
) -> int:
    """A figure of every attention head for each photograph: from CLS or any patch, any layer, or rolled out.

    With --like one of how like its patches are to one of them. A second run of the same command does only what is
    missing.
    """
    inputs, options, like = inputs or InputOptions(), options or AttendOptions(), like or LikeOptions()
    from dinoseg.cli.before import before_attend, count_images

    before_attend(images, inputs, options, like, output.output)
    from dinoseg.attention_folder import attend_folder, similarity_folder
    from dinoseg.outputs.claim import HEADS, SIMILARITY

    with progress_bar(count=lambda: count_images((*images, *like.among), inputs, output.output)) as bar:
        more: Any = {"from_file": inputs.from_file, "progress": bar.update}
        if like.like is None:
            summary = attend_folder(images, options, output, **more)
        else:
            summary = similarity_folder(images, like.like, like.among, options, output, **more)
    if summary.done or summary.skipped or summary.failures:
        counts = {"done": summary.done, "done before": summary.skipped, "failed": summary.failed}
        say_failures(summary.failures, summary.failed, "--json lists all of them")
        say_counts(counts)
    else:
        say_nothing_found(images or [inputs.from_file], summary.ignored)
    report(summary, HEADS if like.like is None else SIMILARITY, output)
    return of_counts(summary.done + summary.skipped, summary.failed)


def report(summary: Summary, name: str, output: FigureOptions) -> None:
    """Where the figures are, on stdout."""
    folder = output.output / name
    if output.json:
        counts = {"done": summary.done, "skipped": summary.skipped, "ignored": summary.ignored}
        tell_json(counts | {"failed": as_json(summary.failures), "results": {name: folder}})
    elif summary.done or summary.skipped:
        tell(folder)
