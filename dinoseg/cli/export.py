"""``dinoseg export``: a network as ONNX, which runs without PyTorch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from dinoseg.cli.arguments import RECIPE, Json
from dinoseg.cli.console import as_json, say_failures, tell, tell_json
from dinoseg.options import ExportOptions


def export(
    model: Annotated[str, Parameter(help="A name of `dinoseg models`, or the path of a weight file.")],
    /,
    *,
    options: Annotated[ExportOptions, RECIPE],
    json: Json = False,
) -> None:
    """A network as ONNX, which OpenVINO or onnxruntime runs without PyTorch; with integer matrices if you like.

    `dinoseg segment --model FILE.onnx` needs nothing beside the file.
    """
    from dinoseg.cli.before import before_export

    before_export(model, options)
    from dinoseg.exporting import run_export

    report = run_export(model, options)
    say_failures(report.failed, len(report.failed), "--json names all of them")
    if json:
        tell_json(asdict(report) | {"failed": as_json(report.failed)})
    else:
        tell(report.file)
