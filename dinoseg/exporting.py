"""Networks as files that run without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinoseg.backbone.families import family_of
from dinoseg.backbone.graph_export import export_graph, save_graph
from dinoseg.backbone.names import EXPORTED
from dinoseg.backbone.vit import VisionTransformer
from dinoseg.backbone.zoo import load
from dinoseg.encoding import Encoder, Prepared
from dinoseg.errors import OptionError
from dinoseg.images.find import find
from dinoseg.options import ExportOptions, ModelOptions, with_options
from dinoseg.places import check_file
from dinoseg.types import Failure

FEWEST = 8
"""Photographs from which scales of integers can be chosen."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """An exported network."""

    file: str
    model: str
    megabytes: float
    photographs: int
    """By which matrices became integers; 0 for a float network."""
    failed: tuple[Failure, ...]
    """Photographs that could not be read."""


def run_export(model: str, options: ExportOptions) -> ExportReport:
    """Write a network as ONNX: see ``backbone.graph_export.export_graph`` for what the file takes and gives.

    The file carries all that ``model="FILE.onnx"`` needs. In Python it is ``dinoseg.export(model, output=...)`` with
    the keywords of ``ExportOptions``. Raises ``UsageError`` for wrong options, ``WeightsError`` for weights that cannot
    be used.
    """
    check_file(options.output, replace=options.overwrite, example="new.onnx")
    if model.endswith(EXPORTED):
        raise OptionError(f"{model} is an exported network already: name the weights that it was made from.")
    backbone = load(model, heads=options.heads, positions=options.positions, offline=options.offline)
    if not isinstance(backbone, VisionTransformer) or not family_of(backbone.spec.family).attention:
        raise OptionError(f"{backbone.spec.name} is no Vision Transformer, and only these can be exported.")
    failed: list[Failure] = []
    calibration = None
    if options.int8:
        calibration = list(looked_at(options, backbone, failed))
        if len(calibration) < FEWEST:
            raise OptionError(f"--int8: {len(calibration)} photographs could be read, and {FEWEST} or more are needed.")
    graph = export_graph(backbone, facets=options.facets, layers=options.layers, calibration=calibration)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    save_graph(graph, options.output)
    return ExportReport(
        file=str(options.output),
        model=model,
        megabytes=round(options.output.stat().st_size / 1e6, 1),
        photographs=len(calibration or ()),
        failed=tuple(failed),
    )


def looked_at(
    options: ExportOptions, backbone: VisionTransformer, failed: list[Failure]
) -> Iterator[tuple[NDArray[np.uint8], tuple[int, int]]]:
    """Photographs as the network sees them, with their grids; those that cannot be read go into ``failed``."""
    sources = list(find(options.int8))
    encoder = Encoder(ModelOptions(size=options.size), backbone)
    for index in np.unique(np.linspace(0, len(sources) - 1, min(options.photographs, len(sources))).astype(int)):
        prepared = encoder.prepare(sources[index])
        if isinstance(prepared, Prepared):
            yield prepared.pixels, prepared.fit.grid
        else:
            failed.append(prepared)


export = with_options(ExportOptions)(run_export)
