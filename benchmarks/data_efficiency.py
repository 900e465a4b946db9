"""How many photographs are enough? Compression and the segmentation head from 100, 500, 2,000 and all of them.

    python benchmarks/data_efficiency.py TEACHER PHOTOS... --duts DUTS --head benchmarks/results/head.json --work DIR
        -o benchmarks/results/data_efficiency

TEACHER is compressed from so many of PHOTOS, drawn at random, each set within the next: pruned in closed form on the
same number of crops, and not healed, unless --heal-crops says so. Mean IoU on DUTS, odd half, by `attention` and
`attention-cut`, with 95 % bootstrap intervals over pictures. The head's figures are those of `head.py`, whose file is
read: their intervals are of what it gains over `attention-cut` on the same pictures. Goes on with what is in DIR.
Writes FILE.md, FILE.json and FILE.png.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from harness import command_line, number, photographs, quoted, table, write
from matplotlib.figure import Figure

import dinoseg
from dinoseg.compression import run_compression
from dinoseg.options import CompressOptions

COUNTS = (100, 500, 2000)
METHODS = ("attention", "attention-cut")
CROPS = 256
"""From which the pruning is solved."""
Point = tuple[int, float, tuple[float, float]]
"""Photographs, mean IoU and its interval."""


def sets_of(photos: Sequence[Path]) -> dict[int, list[Path]]:
    """The photographs of each run, by their number."""
    found = sorted(source.content for source in photographs(*photos) if isinstance(source.content, Path))
    order = np.random.default_rng(0).permutation(len(found))
    counts = sorted({min(count, len(found)) for count in (*COUNTS, len(found))})
    return {count: [found[index] for index in order[:count]] for count in counts}


def compressed(teacher: str, photos: list[Path], work: Path, heal_crops: int) -> Path:
    """The teacher, compressed from these."""
    output = work / f"from-{len(photos)}-healed-{heal_crops}.safetensors"
    options = CompressOptions(output=output, calibration_crops=CROPS, heal_crops=heal_crops, resume=True)
    if not output.exists():
        print(run_compression(teacher, photos, options))
    return output


def scored(model: Path, duts: Path, method: str) -> tuple[float, tuple[float, float]]:
    """Mean IoU on the odd half, and its interval."""
    score = dinoseg.evaluate("foreground", duts, model=str(model), method=method, split="odd").scores[0]
    assert score.interval is not None
    return score.value, score.interval


def head_points(file: Path) -> list[Point]:
    """The odd half of DUTS in the table of `head.py`; intervals are those of the gain, around the value."""
    lines = json.loads(file.read_text())["tables"]["by photographs"]
    kept = [line for line in lines if (line["set"], line["half"]) == ("DUTS", "odd")]
    base = next(line["IoU"] for line in kept if line["method"] == "attention-cut")
    heads = [line for line in kept if line["method"] != "attention-cut"]
    return [
        (int(line["method"].split()[0]), line["IoU"], (base + line["interval"][0], base + line["interval"][1]))
        for line in heads
    ]


def plotted(curves: dict[str, list[Point]]) -> Figure:
    """All curves over the number of photographs."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, points in curves.items():
        counts, values, intervals = zip(*points, strict=True)
        reach = np.abs(np.transpose(intervals) - np.array(values))
        axes.errorbar(counts, values, yerr=reach, label=name, marker="o", capsize=3)
    axes.set(xscale="log", xlabel="photographs", ylabel="mean IoU, DUTS, odd half")
    axes.legend()
    return figure


def tabled(curves: dict[str, list[Point]]) -> str:
    """The same as Markdown."""
    rows = [(name, count, number(*score)) for name, points in curves.items() for count, *score in points]
    return table(("", "photographs", "mean IoU"), rows)


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("teacher")
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--duts", type=Path, required=True)
    parser.add_argument("--head", type=Path, required=True, metavar="FILE", help="of head.py")
    parser.add_argument("--heal-crops", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args(words)
    arguments.work.mkdir(parents=True, exist_ok=True)
    curves: dict[str, list[Point]] = {f"compressed, {method}": [] for method in METHODS}
    for count, chosen in sets_of(arguments.photos).items():
        model = compressed(arguments.teacher, chosen, arguments.work, arguments.heal_crops)
        for method in METHODS:
            curves[f"compressed, {method}"].append((count, *scored(model, arguments.duts, method)))
    curves["head on the built-in model"] = head_points(arguments.head)
    about = (__doc__ or "").split("\n\n", 2)[2].strip()
    text = [
        "# Data efficiency\n",
        f"{about}\n",
        tabled(curves),
        f"\n![curves]({arguments.output.with_suffix('.png').name})\n",
    ]
    write(arguments.output, "\n".join(text), {"curves": curves}, quoted("data_efficiency.py", words))
    plotted(curves).savefig(arguments.output.with_suffix(".png"), dpi=100)


if __name__ == "__main__":
    main(sys.argv[1:])
