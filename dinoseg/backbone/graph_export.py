"""Networks as ONNX graphs, which ``backbone.graph`` runs without torch: float, or with integer matrices."""

from __future__ import annotations

import io
import json
import math
import sys
import warnings
from collections.abc import Collection, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dinoseg.atomic import atomic_write
from dinoseg.backbone.features import FACETS
from dinoseg.backbone.graph import KEY
from dinoseg.backbone.positions import position_inputs
from dinoseg.backbone.precision import inference
from dinoseg.backbone.vit import LastBlock, VisionTransformer, attention_rows
from dinoseg.errors import OptionError
from dinoseg.version import __version__

if TYPE_CHECKING:
    import onnx

OPSET = 17
Inputs = dict[str, NDArray[np.float32]]


class Exported(nn.Module):
    """What is traced: images ``(B, 3, h, w)``, normalised, and where patches lie -> attention, facets and CLS."""

    def __init__(self, backbone: VisionTransformer, facets: Sequence[str], layers: Sequence[int]) -> None:
        super().__init__()
        self.backbone, self.kept, self.layers = backbone, facets, layers

    def forward(self, images: Tensor, *positions: Tensor) -> tuple[Tensor, ...]:
        """See the class; each output's first axis is the batch, its next but for CLS and heads the grid."""
        backbone, spec = self.backbone, self.backbone.spec
        x, rope = backbone.embed(images, positions)
        grid = (images.shape[-2] // spec.patch, images.shape[-1] // spec.patch)
        rows = []
        for index in range(spec.depth - 1):
            if index + 1 in self.layers:
                query, key, _ = backbone.qkv(index, backbone.vit.blocks[index].norm1(x), "qk")
                query, key = backbone.rotate(index, query, rope), backbone.rotate(index, key, rope)
                row = attention_rows(query[:, :, :1], key)
                rows.append(row[:, :, 0, spec.prefix :].unflatten(-1, grid))
            x = backbone.block(index, x, rope)
        last = LastBlock(backbone, x, rope, grid).features(self.kept, cls=True)
        return last.attention, last.cls, *(last.facets[name] for name in self.kept), *rows


@inference
def export_graph(
    backbone: VisionTransformer,
    *,
    facets: Collection[str] = FACETS,
    layers: Collection[int] = (),
    calibration: Iterable[tuple[NDArray[np.uint8], tuple[int, int]]] | None = None,
) -> onnx.ModelProto:
    """A network as ONNX, with any batch and size.

    Outputs: ``attention`` ``(B, heads, gh, gw)`` of the last layer's CLS token, ``cls`` ``(B, d)``, each facet
    ``(B, gh, gw, d)``, and ``attention_L`` for each further layer (1..depth - 1). ``calibration``: scaled photographs
    ``(h, w, 3)`` with their grids, by which matrices become int8 (NNCF's post-training quantisation, transformer
    preset: SmoothQuant, bias correction). Raises ``OptionError`` for a layer that is not there or a package that is
    not installed.
    """
    onnx = needed("onnx")
    spec, facets = backbone.spec, tuple(name for name in FACETS if name in facets)
    layers = tuple(sorted(set(layers) - {spec.depth}))
    wrong = [layer for layer in layers if not 1 <= layer <= spec.depth]
    if wrong:
        raise OptionError(f"--layers {wrong[0]} is out of range: {spec.name} has 1..{spec.depth}.")
    model = onnx.load_from_string(traced(Exported(backbone, facets, layers), facets, layers))
    if calibration is not None:
        model = quantised(model, [inputs_of(backbone, *each) for each in calibration])
    for node in model.graph.node:
        node.doc_string = ""  # lines of the exporting machine's files
    facts = {
        "spec": asdict(spec),
        "facets": facets,
        "layers": layers,
        "int8": calibration is not None,
        "rope_temperature": rope_temperature(backbone),
        "version": __version__,
    }
    del model.metadata_props[:]
    model.metadata_props.add(key=KEY, value=json.dumps(facts, sort_keys=True))
    onnx.checker.check_model(model)
    return model


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph whole or not at all."""
    with atomic_write(path) as file:
        file.write(model.SerializeToString(deterministic=True))


def traced(module: Exported, facets: Sequence[str], layers: Sequence[int]) -> bytes:
    """The float graph, by PyTorch's tracer."""
    spec = module.backbone.spec
    example = inputs_of(module.backbone, np.zeros((3 * spec.patch, 5 * spec.patch, 3), np.uint8), (3, 5))
    names = ["attention", "cls", *facets, *(f"attention_{layer}" for layer in layers)]
    axes = {"images": {0: "batch", 2: "height", 3: "width"}, "rope": {0: "patches"}}
    axes |= {"rows": {0: "grid_height"}, "columns": {0: "grid_width"}, "cls": {0: "batch"}}
    axes |= {name: {0: "batch", 1: "grid_height", 2: "grid_width"} for name in facets}
    axes |= {name: {0: "batch", 2: "grid_height", 3: "grid_width"} for name in names if name.startswith("attention")}
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shapes that are traced on purpose, and of the tracer's own age
        torch.onnx.export(
            module.eval(),
            tuple(map(torch.from_numpy, example.values())),
            file,  # type: ignore[arg-type]  # torch says that it is a path
            dynamo=False,
            opset_version=OPSET,
            input_names=list(example),
            output_names=names,
            dynamic_axes={name: axis for name, axis in axes.items() if name in (*example, *names)},
        )
    return file.getvalue()


def inputs_of(backbone: VisionTransformer, pixels: NDArray[np.uint8], grid: tuple[int, int]) -> Inputs:
    """What the graph takes for one scaled photograph ``(h, w, 3)``."""
    spec, table = backbone.spec, backbone.vit.pos_embed
    side = 0 if table is None else math.isqrt(table.shape[1] - 1)
    temperature = rope_temperature(backbone)
    positions = position_inputs(spec.positions, grid, side, spec.width // spec.heads, temperature)
    return {"images": backbone.prepare(pixels, grid).numpy(), **positions}


def rope_temperature(backbone: VisionTransformer) -> float:
    """Of rotary positions; 0 where there are none."""
    return float(backbone.vit.rope.temperature) if backbone.spec.positions == "rope" else 0.0


def quantised(model: onnx.ModelProto, examples: list[Inputs]) -> onnx.ModelProto:
    """The graph with int8 matrices, scales chosen by what the examples make of them."""
    needed("onnxruntime")  # by which NNCF runs the graph on the examples
    nncf = needed("nncf")
    silence_telemetry()
    nncf.set_log_level(30)  # warnings
    with redirect_stdout(sys.stderr):  # its bars
        return nncf.quantize(
            model, nncf.Dataset(examples), subset_size=len(examples), model_type=nncf.ModelType.TRANSFORMER
        )


def silence_telemetry() -> None:
    """NNCF reports its use to a server, if it is let."""
    import openvino_telemetry.main as telemetry

    telemetry.Telemetry.send_event = lambda *_, **__: None


def needed(package: str) -> Any:
    """A package of the extra ``onnx``. Raises ``OptionError``."""
    try:
        return __import__(package)
    except ImportError as error:
        raise OptionError(f"export needs {package}: `pip install {package}`.") from error
