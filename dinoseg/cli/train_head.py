"""``dinoseg train-head``: a segmentation head that teaches itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from dinoseg.cli.arguments import IMAGES, RECIPE, Json
from dinoseg.cli.console import as_json, inform, say_failures, tell, tell_json
from dinoseg.cli.exits import of_counts
from dinoseg.options import TrainHeadOptions


def train_head(
    images: Annotated[list[str], IMAGES], /, *, options: Annotated[TrainHeadOptions, RECIPE], json: Json = False
) -> int:
    """Train a segmentation head on your photographs, without labels or with a few.

    The network stays as it is; `dinoseg segment --method head --param weights=FILE` uses what comes out.
    """
    from dinoseg.cli.before import before_train_head

    before_train_head(images, options)
    from dinoseg.heads import run_head_training

    report = run_head_training(images, options)
    say_failures(report.failed, len(report.failed), "--json names all of them")
    inform(
        f"learned from {report.used} of {report.photographs} photographs, {report.labelled} of them labelled"
        f"{f' ({report.turned} labels turned upright with their photographs, by EXIF)' if report.turned else ''}; "
        f"loss of the last epoch {report.loss:.3f}"
    )
    if json:
        tell_json(asdict(report) | {"failed": as_json(report.failed)})
    else:
        tell(report.file)
    return of_counts(report.photographs, len(report.failed))
