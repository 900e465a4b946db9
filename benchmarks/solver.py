"""The normalised cut: ours against `scipy.linalg.eigh` on the dense generalised problem, from the same features.

    python benchmarks/solver.py PHOTOS [--rounds 5] [--out NAME]          times at 900, 1200, 3600 and 4800 patches
    python benchmarks/solver.py PHOTOS --agreement [--count 200] [--out NAME]

ours       `affinity`, `start_of` and `smallest_pairs`: float32 on one thread, binary edges, tau 0.2
reference  Gram matrix and graph in numpy, `scipy.linalg.eigh(D - A, D, subset_by_index=[1, 2])`, all in float64

Times are seconds of this process's CPU on one thread, so that other work on the machine disturbs little; the two ways
take turns, and ratios are medians of the paired ratios of the rounds with their range. The features are the built-in
model's tokens of photographs (another in every round) stretched to the grid. For the share of a forward pass a ViT-S
(random weights) passes an image of as many patches. Our Gram matrix is made in panels that are thresholded at once; it
is timed alone by a plain product, and "build" is what the graph takes beyond that: below 0 where making one triangle
only saves more than the rest costs.

Agreement: for each photograph, fitted as `segment` does, the sides of our vector against those of the reference, for
binary and for weighted edges; an image agrees with an IoU of at least 0.999. Where all patches are joined to all, the
second and third eigenvalue coincide and the reference's vector is rounding: both ways say so, or they do not agree.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
import torch
import torch.nn.functional as F
from harness import RESULTS, command_line, one_thread, photographs, spread, timed, vit_small
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.zoo import load_backbone
from dinoseg.images.decode import decode
from dinoseg.images.fit import fit
from dinoseg.methods.cut import EPS, affinity, normalised_cuts, start_of
from dinoseg.methods.lanczos import GAP, smallest_pairs
from dinoseg.options import SegmentOptions
from dinoseg.types import Fit, Source

GRIDS = ((30, 30), (30, 40), (60, 60), (60, 80))
TAU = 0.2
STEPS = ("gram", "build", "solve")


@torch.inference_mode()
def tokens(backbone: Backbone, pixels: NDArray[np.uint8], fitted: Fit) -> Tensor:
    """Features of one image, ``(1, N, d)``."""
    return backbone(backbone.prepare(pixels, fitted.grid), ("token",)).facets["token"].flatten(1, 2)


def stretched(backbone: Backbone, source: Source, grid: tuple[int, int]) -> Tensor:
    """Features of a photograph laid over a grid of patches."""
    height, width = size = grid[0] * backbone.spec.patch, grid[1] * backbone.spec.patch
    photo = decode(source)
    pixels = np.array(Image.fromarray(photo.pixels).resize((width, height)))
    return tokens(backbone, pixels, Fit(size, size, grid, backbone.spec.patch))


def reference_graph(gram: NDArray[np.float64], *, weighted: bool) -> NDArray[np.float64]:
    """The published program's weights."""
    return np.where(gram >= TAU, gram, EPS) if weighted else np.where(gram > TAU, 1.0, EPS)


def reference_pairs(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The published program's solution: second and third eigenvalue, and their vectors ``(N, 2)``."""
    degree = np.diag(weights.sum(axis=1))
    values, vectors = scipy.linalg.eigh(degree - weights, degree, subset_by_index=[1, 2])
    return values, vectors


def ours(features: Tensor) -> dict[str, float]:
    """CPU seconds of our steps."""
    rows = F.normalize(features, dim=-1)
    _, gram = timed(lambda: rows @ rows.mT)
    weights, graph = timed(lambda: affinity(rows, TAU, weighted=False))
    _, solve = timed(lambda: list(smallest_pairs(weights, start_of(rows, 1), 1)))
    return {"gram": gram, "build": graph - gram, "solve": solve, "whole": graph + solve}


def reference(features: Tensor) -> dict[str, float]:
    """CPU seconds of the published program's steps."""
    rows = F.normalize(features.double(), dim=-1)[0].numpy()
    matrix, gram = timed(lambda: rows @ rows.T)
    weights, build_ = timed(lambda: reference_graph(matrix, weighted=False))
    _, solve = timed(lambda: reference_pairs(weights))
    return {"gram": gram, "build": build_, "solve": solve, "whole": gram + build_ + solve}


@torch.inference_mode()
def forward(backbone: Backbone, grid: tuple[int, int]) -> float:
    """CPU seconds of one pass over as many patches."""
    image = torch.randn(1, 3, grid[0] * backbone.spec.patch, grid[1] * backbone.spec.patch)
    return timed(lambda: backbone(image, ("key",)))[1]


def measure(folder: Path, rounds: int) -> dict[str, Any]:
    """Times at every grid; large ones in fewer rounds."""
    backbone, network = load_backbone(SegmentOptions()), vit_small(16)
    report: dict[str, Any] = {}
    for grid in GRIDS:
        count = grid[0] * grid[1]
        repeats = rounds if count < 2000 else max(1, rounds // (2 if count < 4000 else 4))
        given = [stretched(backbone, source, grid) for source in photographs(folder, count=repeats)]
        ours(given[0])  # libraries set themselves up
        pairs = [(ours(features), reference(features)) for features in given]
        passes = [forward(network, grid) for _ in range(min(repeats, 2))]
        report[str(count)] = {
            "rounds": repeats,
            "ours": {step: spread([a[step] for a, _ in pairs]) for step in (*STEPS, "whole")},
            "reference": {step: spread([b[step] for _, b in pairs]) for step in (*STEPS, "whole")},
            "ratio": {step: spread([b[step] / a[step] for a, b in pairs]) for step in ("solve", "whole")},
            "vit_small": spread(passes),
            "share_of_vit_small": statistics.median(a["whole"] for a, _ in pairs) / statistics.median(passes),
        }
        print(count, json.dumps(report[str(count)]), flush=True)
    return report


def table(report: dict[str, Any]) -> str:
    """The times as Markdown."""
    lines = [
        "# The normalised cut, one thread",
        "",
        "CPU milliseconds, medians; ratios with their range over the rounds. How: `benchmarks/solver.py`.",
        "",
        "| patches | rounds | ours: Gram, build, solve | reference: Gram, build, solve | solve alone | whole step | "
        "share of a ViT-S pass |",
        "|---|---|---|---|---|---|---|",
    ]
    for count, row in report.items():
        steps = [", ".join(f"{1e3 * row[way][step][0]:.1f}" for step in STEPS) for way in ("ours", "reference")]
        ratios = ["{:.0f}x ({:.0f}-{:.0f})".format(*row["ratio"][step]) for step in ("solve", "whole")]
        share = f"{100 * row['share_of_vit_small']:.1f} %"
        lines.append(f"| {' | '.join([count, str(row['rounds']), *steps, *ratios, share])} |")
    return "\n".join(lines) + "\n"


def side(vector: NDArray[np.float64], seed: int) -> NDArray[np.bool_]:
    """The side of a vector's mean that holds the seed."""
    above = vector > vector.mean()
    return above == above[seed]


def compare(features: Tensor, *, weighted: bool) -> tuple[float, str]:
    """IoU of the sides, and the solver that had the last word."""
    rows = F.normalize(features.double(), dim=-1)[0].numpy()
    values, vectors = reference_pairs(reference_graph(rows @ rows.T, weighted=weighted))
    (cut,) = normalised_cuts(features, TAU, weighted=weighted)
    if cut is None or values[1] - values[0] < GAP:
        return float(cut is None and values[1] - values[0] < GAP), "none"
    normed = F.normalize(features, dim=-1)
    (pairs,) = smallest_pairs(affinity(normed, TAU, weighted=weighted), start_of(normed, 1), 1)
    a, b = side(cut.vector, cut.seed), side(vectors[:, 0], cut.seed)
    return float((a & b).sum() / (a | b).sum()), pairs.solver


def agreement(folder: Path, count: int) -> dict[str, Any]:
    """How many photographs are cut as by the reference."""
    backbone = load_backbone(SegmentOptions())
    found: dict[bool, list[tuple[float, str]]] = {False: [], True: []}
    for source in photographs(folder, count=count):
        photo = decode(source)
        features = tokens(backbone, *fit(photo, backbone.spec.patch, SegmentOptions().size))
        for weighted, results in found.items():
            results.append(compare(features, weighted=weighted))
    return {
        "weighted" if weighted else "binary": {
            "images": len(results),
            "agree": sum(iou >= 0.999 for iou, _ in results) / len(results),
            "lowest_iou": min(iou for iou, _ in results),
            "solvers": dict(Counter(solver for _, solver in results)),
        }
        for weighted, results in found.items()
    }


def main() -> None:
    parser = command_line(__doc__, output=False)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--agreement", action="store_true")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--out", help="name of the result files under benchmarks/results")
    arguments = parser.parse_args()
    one_thread()
    if arguments.agreement:
        report = agreement(arguments.photos, arguments.count)
        print(json.dumps(report, indent=1))
    else:
        report = measure(arguments.photos, arguments.rounds)
        print(table(report))
    if arguments.out:
        (RESULTS / f"{arguments.out}.json").write_text(json.dumps(report, indent=1) + "\n")
        if not arguments.agreement:
            (RESULTS / f"{arguments.out}.md").write_text(table(report))


if __name__ == "__main__":
    main()
