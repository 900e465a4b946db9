"""Which patch features each method should look at: every method on every facet, as it is and centred.

    python benchmarks/facets.py FOLDER --models builtin PATH [--every N] -o benchmarks/results/facets_NAME

FOLDER holds images/ and masks/; the even pictures of its sorted list are used, because defaults are chosen from this
table. Writes FILE.md and FILE.json after every network.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import command_line, quoted, write
from tqdm import tqdm

from dinoseg.backbone.features import FACETS, Features
from dinoseg.backbone.zoo import load_backbone
from dinoseg.encoding import Encoder
from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.datasets.base import Sample
from dinoseg.evaluation.metrics.masks import Mask, jaccard
from dinoseg.images.fit import to_photo
from dinoseg.method import Method
from dinoseg.methods import make_method, method_class
from dinoseg.options import ModelOptions
from dinoseg.pipeline import propose
from dinoseg.types import Fit, Proposals

METHODS = ("tokencut", "maskcut", "spectral", "lost", "found", "kmeans", "attention-cut")
TAU = 0.2
"""Cosine above which the table of graphs counts a pair as joined: TokenCut's."""
FEW, MANY = 0.01, 0.99
"""A graph with fewer or more of its pairs joined is degenerate."""

RULE = """# Methods by facet

Mean IoU of the union of all objects found with the foreground. One rule for every cell: parameters at their defaults
but for `facet` and `centre`; no refinement; soft maps upsampled bilinearly to the photograph and cut at 0.5; Otsu's
threshold, where a method has one, on its map upsampled to the working size without the padding; position tables resized
as the network's own program does; long side 32 patches, padding takes part in the graph. Centred: the image's mean
feature is taken out before anything else. In brackets: share of pictures for which there is no object at all, which
count as IoU 0. Bold: the best of a row. Measured on even pictures: for choosing, not for quoting.
Only DINOv2's family is here: real weights of DINO v1 and DINOv3 were not at hand, their defaults are not measured.
"""
GRAPH = f"""Pairs of patches with a cosine above {TAU}, mean over pictures, and in brackets the share of pictures where
they are fewer than {FEW:.0%} or more than {MANY:.0%} (a degenerate graph)."""


@dataclass(frozen=True)
class Cell:
    """One method on one facet."""

    model: str
    method: str
    facet: str
    centred: bool
    iou: float
    """Mean over pictures, 0..1."""
    error: float
    """Standard error of the mean."""
    empty: float
    """Share of pictures without an object."""


@dataclass(frozen=True)
class Graph:
    """How much is joined on one facet."""

    model: str
    facet: str
    centred: bool
    joined: float
    """Share of pairs above ``TAU``, mean over pictures."""
    degenerate: float
    """Share of pictures with hardly any or nearly all pairs joined."""


def variant(name: str, facet: str) -> Method:
    """The method on that facet; centring is done before it, the same for all."""
    centre = ["centre=false"] if "centre" in {field.name for field in fields(method_class(name))} else []
    return make_method(name, [f"facet={facet}", *centre])


def centred(features: Features) -> Features:
    """Every facet without its mean over the image."""
    return replace(features, facets={name: x - x.mean(dim=(1, 2), keepdim=True) for name, x in features.facets.items()})


def joined(features: Features, facet: str) -> float:
    """Share of the pairs of different patches whose cosine is above ``TAU``."""
    rows = torch.nn.functional.normalize(features.facets[facet][0].flatten(0, 1).double(), dim=-1)  # (N, d)
    count = len(rows)
    return (int((rows @ rows.T > TAU).sum()) - count) / (count * (count - 1))


def mask_of(proposals: Proposals, fit: Fit) -> Mask:
    """The union of the objects in the frame of the photograph."""
    maps = [to_photo(proposal.soft, fit) > 0.5 for proposal in proposals.objects]
    return np.logical_or.reduce([np.zeros(fit.size, bool), *maps])


def measure(model: str, samples: Sequence[Sample]) -> tuple[list[Cell], list[Graph]]:
    """All cells of one network."""
    options = ModelOptions(model=model)
    encoder = Encoder(options, load_backbone(options))
    found: dict[tuple[str, str, bool], list[tuple[float, bool]]] = {}
    graphs: dict[tuple[str, bool], list[float]] = {}
    for sample in tqdm(samples, desc=model, disable=None):
        encoded, truth = encoder(sample.image), sample.truth()
        plain = encoded.features
        assert plain is not None
        for shifted, features in ((False, plain), (True, centred(plain))):
            for facet in FACETS:
                graphs.setdefault((facet, shifted), []).append(joined(features, facet))
                for name in METHODS:
                    (proposals,) = propose(variant(name, facet), [replace(encoded, features=features)])
                    iou = jaccard(mask_of(proposals, encoded.fit), truth.foreground, truth.void)
                    found.setdefault((name, facet, shifted), []).append((iou, not proposals.objects))
    name = Path(model).stem
    cells = [Cell(name, *key, *summary(values)) for key, values in found.items()]
    return cells, [
        Graph(name, *key, float(np.mean(x)), float(np.mean([not FEW <= value <= MANY for value in x])))
        for key, x in graphs.items()
    ]


def summary(values: Sequence[tuple[float, bool]]) -> tuple[float, float, float]:
    """Mean IoU, its standard error, and the share of empty pictures."""
    ious, empty = np.array(values, float).T
    return float(ious.mean()), float(ious.std(ddof=1) / np.sqrt(len(ious))), float(empty.mean())


def table(cells: Sequence[Cell], graphs: Sequence[Graph]) -> str:
    """Methods by facets for one network, and the graphs below."""
    columns = list(dict.fromkeys((cell.facet, cell.centred) for cell in cells))
    titles = [f"{facet}, centred" if shifted else facet for facet, shifted in columns]
    lines = [f"| {cells[0].model} | {' | '.join(titles)} |", f"| --- |{' --- |' * len(columns)}"]
    for method in METHODS:
        row = [cell for cell in cells if cell.method == method]
        best = max(cell.iou for cell in row)
        shown = [f"**{cell.iou:.3f}**" if cell.iou == best else f"{cell.iou:.3f}" for cell in row]
        lines.append(f"| {method} | {' | '.join(f'{x} ({c.empty:.0%})' for x, c in zip(shown, row, strict=True))} |")
    lines.append(f"| *pairs joined* | {' | '.join(f'{g.joined:.0%} ({g.degenerate:.0%})' for g in graphs)} |")
    return "\n".join(lines)


def publish(path: Path, found: Sequence[tuple[list[Cell], list[Graph]]], pictures: int, asked: str) -> None:
    """The tables so far, as FILE.md and FILE.json."""
    tables = "\n\n".join(table(*pair) for pair in found)
    error = max(cell.error for cells, _ in found for cell in cells)
    told = f"{pictures} pictures; standard error of a cell at most {error:.3f}."
    content: dict[str, Any] = {"pictures": pictures}
    content |= {"cells": [asdict(cell) for cells, _ in found for cell in cells]}
    content |= {"graphs": [asdict(graph) for _, graphs in found for graph in graphs]}
    write(path, f"{RULE}\n{told}\n\n{tables}\n\n{GRAPH}", content, asked)


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("data", type=Path, help="a folder with images/ and masks/")
    parser.add_argument("--models", nargs="+", default=["builtin"], metavar="MODEL", help="names or weight files")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every N-th of the even pictures")
    arguments = parser.parse_args(words)
    samples = open_dataset(arguments.data).select("even", arguments.every)
    asked = quoted("facets.py", words)
    found: list[tuple[list[Cell], list[Graph]]] = []
    for model in arguments.models:
        found.append(measure(model, samples))
        publish(arguments.output, found, len(samples), asked)
    print(arguments.output.with_suffix(".md").read_text(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
