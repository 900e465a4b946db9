"""``dinoseg group``: labels that mean the same in every photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from dinoseg.cli.arguments import IMAGES, INPUT, MODEL, Json
from dinoseg.cli.console import (
    as_json,
    inform,
    say_counts,
    say_failures,
    say_nothing_found,
    tell_json,
    tell_table,
)
from dinoseg.cli.exits import of_counts
from dinoseg.options import GroupOptions, InputOptions, OutputOptions
from dinoseg.runs.progress import progress_bar

if TYPE_CHECKING:
    from dinoseg.grouping import GroupReport


def group(
    *images: Annotated[str, IMAGES],
    options: Annotated[GroupOptions, MODEL],
    inputs: Annotated[InputOptions | None, INPUT] = None,
    json: Json = False,
) -> int:
    """Semantic labels without names: objects that look alike get one label and one colour in all photographs.

    A second run of the same command describes only what is new, with other --clusters nothing.
    """
    inputs = inputs or InputOptions()
    from dinoseg.cli.before import before_segment, count_images

    output = OutputOptions(output=options.output, formats=("descriptors",), overwrite=options.overwrite)
    before_segment(images, inputs, options, output)
    from dinoseg.grouping import group_folder
    from dinoseg.grouping.files import places

    with progress_bar(count=lambda: 2 * count_images(images, inputs, options.output)) as bar:
        report = group_folder(images, options, from_file=inputs.from_file, progress=bar.update)
    if report.photographs or report.failed:
        say_how_it_went(report, options)
    else:
        say_nothing_found(images or [inputs.from_file], report.ignored)
    results = places(options.output)
    if json:
        tell_json(
            {**report.facts(), "failed_count": report.failed, "failed": as_json(report.failures), "results": results}
        )
    elif report.photographs:
        tell_table(results.items())
    return of_counts(report.photographs, report.failed)


def say_how_it_went(report: GroupReport, options: GroupOptions) -> None:
    """Failures and counts, on stderr."""
    say_failures(report.failures, report.failed, f"{options.output / 'manifest.jsonl'} names all of them")
    say_counts({"photographs": report.photographs, "failed": report.failed})
    regions = sum(group.regions for group in report.groups)
    why = " (the best of 1..30 by BIC, no count of classes: --clusters takes yours)" if report.tried else ""
    fewer = f", fewer than --clusters {options.clusters}" if len(report.groups) < (options.clusters or 0) else ""
    inform(f"{regions} regions in {len(report.groups)} groups{why}{fewer}")
