"""``dinoseg evaluate``: a named protocol on a data set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dinoseg.cli.arguments import MODEL
from dinoseg.cli.console import say, tell, tell_json
from dinoseg.cli.exits import of_counts
from dinoseg.evaluation import PROTOCOLS
from dinoseg.options import EvaluateOptions
from dinoseg.runs.progress import progress_bar

if TYPE_CHECKING:
    from dinoseg.evaluation.report import Report


def evaluate(
    protocol: Annotated[str, Parameter(help=f"One of {', '.join(PROTOCOLS)}.")],
    data: Annotated[Path, Parameter(help="Folder of the data set, or of its images.")],
    masks: Annotated[Path | None, Parameter(help="Folder of the masks, where they lie elsewhere.")] = None,
    /,
    *,
    options: Annotated[EvaluateOptions | None, MODEL] = None,
) -> int:
    """Score a method on a data set by a named protocol, with an interval, as Markdown or JSON."""
    from dinoseg.cli.before import before_evaluate

    options, place = options or EvaluateOptions(), (data, masks) if masks else data
    before_evaluate(protocol, place, options)
    from dinoseg.evaluation.run import run

    with progress_bar() as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = run(protocol, place, options, progress)
    if report.failed:
        say_failed(report)
    if options.json:
        tell_json(report.to_json())
    else:
        for line in report.to_markdown().splitlines():
            tell(line)
    return of_counts(report.images, len(report.failed))


def say_failed(report: Report) -> None:
    """How many pictures failed and why, and what can be done."""
    reasons = Counter(reason for _, reason in report.failed)
    told = ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
    if report.images:
        scores = "the scores are partial" if report.scores else "no score: --partial gives scores over the others"
        say(f"{len(report.failed)} of {report.images + len(report.failed)} pictures failed, {told}; {scores}.")
        return
    first = report.failed[0][0]
    step = (
        f"a prediction has its picture's name, {Path(first).with_suffix('.png')} or {first}.png"
        if "missing_prediction" in reasons
        else f"`dinoseg segment` of {first} says what is wrong with it"
    )
    say(f"No score: all {len(report.failed)} pictures failed, {told}; {step}.")
