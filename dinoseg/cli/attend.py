"""``dinoseg attend``: what the heads of a network look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from dinoseg.cli.arguments import IMAGES, INPUT, MODEL, OUTPUT
from dinoseg.cli.console import as_json, say_counts, say_failures, say_nothing_found, tell, tell_json
from dinoseg.cli.exits import of_counts
from dinoseg.options import AttendOptions, FigureOptions, InputOptions
from dinoseg.runs.progress import progress_bar

if TYPE_CHECKING:
    from dinoseg.runs.summary import Summary


def attend(
    *images: Annotated[str, IMAGES],
    output: Annotated[FigureOptions, OUTPUT],
    inputs: Annotated[InputOptions | None, INPUT] = None,
    options: Annotated[AttendOptions | None, MODEL] = None,
) -> int:
    """A figure of every attention head for each photograph: from CLS or any patch, any layer, or rolled out.

    A second run of the same command does only what is missing.
    """
    inputs, options = inputs or InputOptions(), options or AttendOptions()
    from dinoseg.cli.before import before_attend, count_images

    before_attend(images, inputs, options, output.output)
    from dinoseg.attention_folder import attend_folder

    with progress_bar(count=lambda: count_images(images, inputs, output.output)) as bar:
        summary = attend_folder(images, options, output, from_file=inputs.from_file, progress=bar.update)
    if summary.done or summary.skipped or summary.failures:
        counts = {"done": summary.done, "done before": summary.skipped, "failed": summary.failed}
        say_failures(summary.failures, summary.failed, "--json lists all of them")
        say_counts(counts)
    else:
        say_nothing_found(images or [inputs.from_file], summary.ignored)
    report(summary, output)
    return of_counts(summary.done + summary.skipped, summary.failed)


def report(summary: Summary, output: FigureOptions) -> None:
    """Where the figures are, on stdout."""
    from dinoseg.outputs.claim import HEADS

    folder = output.output / HEADS
    if output.json:
        counts = {"done": summary.done, "skipped": summary.skipped, "ignored": summary.ignored}
        tell_json(counts | {"failed": as_json(summary.failures), "results": {HEADS: folder}})
    elif summary.done or summary.skipped:
        tell(folder)
