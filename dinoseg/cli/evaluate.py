"""``dinoseg evaluate``: a named protocol on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dinoseg.cli.arguments import MODEL
from dinoseg.cli.console import progress_bar, tell, tell_json
from dinoseg.cli.exits import of_counts
from dinoseg.evaluation import PROTOCOLS
from dinoseg.options import EvaluateOptions


def evaluate(
    protocol: Annotated[str, Parameter(help=f"One of {', '.join(PROTOCOLS)}.")],
    data: Annotated[Path, Parameter(help="Folder of the data set, or of its images.")],
    masks: Annotated[Path | None, Parameter(help="Folder of the masks, where they lie elsewhere.")] = None,
    /,
    *,
    options: Annotated[EvaluateOptions | None, MODEL] = None,
) -> int:
    """Score a method on a data set by a named protocol, with an interval, as Markdown or JSON."""
    from dinoseg.evaluation.run import run

    options = options or EvaluateOptions()
    with progress_bar() as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = run(protocol, (data, masks) if masks else data, options, progress)
    if options.json:
        tell_json(report.to_json())
    else:
        for line in report.to_markdown().splitlines():
            tell(line)
    return of_counts(report.images, len(report.failed))
