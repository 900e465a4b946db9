"""``dinoseg compress``: a smaller, faster copy of a good network."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from dinoseg.cli.arguments import IMAGES, RECIPE, Json
from dinoseg.cli.console import tell_json, tell_table
from dinoseg.options import CompressOptions


def compress(
    model: Annotated[str, Parameter(help="A name of `dinoseg models`, or the path of a weight file.")],
    images: Annotated[list[str], IMAGES],
    /,
    *,
    options: Annotated[CompressOptions, RECIPE],
    json: Json = False,
) -> None:
    """A smaller, faster copy of a good network: pruned in closed form, healed by distillation, without labels.

    Interrupted runs go on with --resume. `dinoseg segment --model` loads what comes out.
    """
    from dinoseg.cli.before import before_compress

    before_compress(model, images, options)
    from dinoseg.compression import run_compression

    report = asdict(run_compression(model, images, options))
    if json:
        tell_json(report)
    else:
        tell_table(report.items())
