"""How well the foreground is found: every method on four data sets, with floors and the oracle beside it.

    python benchmarks/jaccard.py --data FOLDER --models builtin PATH -o benchmarks/results/jaccard

FOLDER holds duts/, VOC2012/, DAVIS/ and coco/, or some of them; --voc and --davis name the full sets instead. Whatever
was chosen by ground truth was chosen on the even half (of the sorted list; of the sequences in DAVIS), so the odd half
is the one to quote. Writes FILE.md and FILE.json after every row.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from tqdm import tqdm

from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.floors import FLOORS
from dinoseg.evaluation.foreground import BEST_HEAD, FOREGROUND
from dinoseg.evaluation.protocols import mean_of
from dinoseg.evaluation.report import Row, Score, versions
from dinoseg.evaluation.run import measure, open_segmenter
from dinoseg.evaluation.samples import Sample
from dinoseg.images.decode import as_source
from dinoseg.options import SegmentOptions
from dinoseg.pipeline import Segmenter
from dinoseg.types import Failure, Segmentation

COLUMNS = {"DUTS": "duts", "VOC foreground": "VOC2012", "DAVIS J": "DAVIS", "COCO foreground": "coco"}
HALVES: tuple[Literal["odd", "even", "all"], ...] = ("odd", "even", "all")
METHODS = ("attention", "tokencut", "kmeans", "attention-cut")


@dataclass(frozen=True)
class Pass:
    """One run of a network over a data set, whose features all methods share."""

    model: str
    methods: Sequence[str]
    random_weights: bool = False

    def row(self, method: str) -> str:
        """The row of a method in the table."""
        if self.random_weights:
            return f"random weights, {method} (floor)"
        return method if method == "prior" else f"{Path(self.model).stem}, {method}"


def passes(models: Sequence[str], methods: Sequence[str]) -> list[Pass]:
    """What is run: the prior, untrained weights, then every model."""
    untrained = Pass(models[0], [name for name in methods if name.startswith("attention")], random_weights=True)
    return [Pass(models[0], ["prior"]), untrained, *(Pass(model, methods) for model in models)]


def open_segmenters(run: Pass, device: str) -> dict[str, Segmenter]:
    """One segmenter per method, on the same weights."""
    return {
        name: open_segmenter(SegmentOptions(model=run.model, method=name, device=device), run.random_weights)
        for name in run.methods
    }


@torch.inference_mode()
def results(segmenters: Mapping[str, Segmenter], sample: Sample) -> dict[str, Segmentation]:
    """What every method makes of one picture. The network runs once, for the method that wants most of it."""

    def wanted(segmenter: Segmenter) -> int:
        return len(segmenter.method.facets(segmenter.backbone.spec.family)) if segmenter.backbone else 0

    leader = max(segmenters.values(), key=wanted)
    item = leader.prepare(as_source(sample.image))
    if isinstance(item, Failure):
        raise item.error
    features = leader.features([item]) if leader.backbone else None
    found = {}
    for name, segmenter in segmenters.items():
        (item.proposals,) = segmenter.method(features, [item.photo], [item.fit])
        item.attention = None if features is None else features.attention[0].float().cpu().numpy()
        found[name] = segmenter.finish(item).segmentation
    return found


def rows_of(run: Pass, segmenters: Mapping[str, Segmenter], samples: Sequence[Sample]) -> dict[str, list[Row]]:
    """Values of every picture, by row of the table: the methods, and beside them the floors or the oracle."""
    rows: dict[str, list[Row]] = {}
    for sample in tqdm(samples, desc=run.row(run.methods[-1]), disable=None):
        for method, result in results(segmenters, sample).items():
            row = measure(FOREGROUND, sample, result)
            values = {run.row(method): row.values["IoU"]}
            if method == "prior":
                values = {f"{name} (floor)": row.values[name] for name in FLOORS} | values
            elif method == run.methods[-1] and not run.random_weights:
                values[f"{Path(run.model).stem}, {BEST_HEAD}"] = row.values[BEST_HEAD]
            for name, value in values.items():
                rows.setdefault(name, []).append(Row(row.id, {"IoU": value}, row.sequence, row.classes))
    return rows


def scores(rows: Sequence[Row], halves: Mapping[Any, set[str]]) -> dict[str, Score]:
    """Mean and interval over each half."""
    return {half: mean_of("IoU", [row for row in rows if row.id in ids]) for half, ids in halves.items()}


def table(cells: dict[tuple[str, str], dict[str, Score]], columns: Sequence[str], half: str) -> str:
    """Rows by columns, as Markdown."""
    counts = {column: next(x[half] for (_, name), x in cells.items() if name == column) for column in columns}
    titles = [f"{column} ({counts[column].units} {counts[column].unit})" for column in columns]
    lines = [f"| {half} | {' | '.join(titles)} |", f"| --- |{' --- |' * len(columns)}"]
    for row in dict.fromkeys(row for row, _ in cells):
        shown = [cell(cells[row, column][half]) if (row, column) in cells else "" for column in columns]
        lines.append(f"| {row} | {' | '.join(shown)} |")
    return "\n".join(lines)


def cell(score: Score) -> str:
    if score.interval is None:
        return f"{score.value:.3f}"
    return f"{score.value:.3f} [{score.interval[0]:.3f}, {score.interval[1]:.3f}]"


HEAD = """# Foreground IoU

Mean over images of the IoU of all objects found with the foreground (over frames first, then sequences in DAVIS), void
left out; 95 % bootstrap intervals over images or sequences. Choices were made on the even half: quote the odd one.
ORACLE: the ground truth picks the best attention head of each picture; everything else is label-free.
"""


def write(path: Path, cells: dict[tuple[str, str], dict[str, Score]], runs: list[dict[str, Any]], asked: str) -> None:
    """The tables so far, as FILE.md and FILE.json."""
    columns = [name for name in COLUMNS if any(name == column for _, column in cells)]
    tables = "\n\n".join(table(cells, columns, half) for half in HALVES)
    foot = ", ".join(f"{name} {version}" for name, version in versions().items())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text(f"{HEAD}\n{tables}\n\n    {asked}\n\n{foot}\n")
    found = [
        {"row": row, "column": column, "half": half, **asdict(score)}
        for (row, column), halves in cells.items()
        for half, score in halves.items()
    ]
    content = {"command": asked, "versions": versions(), "runs": runs, "scores": found}
    path.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


def data_sets(arguments: argparse.Namespace) -> dict[str, Path]:
    """Column -> folder, of those that are there."""
    found = {column: arguments.data / folder for column, folder in COLUMNS.items()} if arguments.data else {}
    given = {"DUTS": arguments.duts, "VOC foreground": arguments.voc, "DAVIS J": arguments.davis}
    found |= {column: folder for column, folder in given.items() if folder}
    return {column: folder for column, folder in found.items() if folder.exists()}


def public(word: str) -> str:
    """A word of the command line as it is published: an absolute path would tell of one machine only."""
    return Path(word).name if Path(word).is_absolute() else word


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with duts/, VOC2012/, DAVIS/, coco/")
    parser.add_argument("--duts", type=Path, help="a folder with images/ and masks/")
    parser.add_argument("--voc", type=Path, help="the full VOC2012 folder")
    parser.add_argument("--davis", type=Path, help="the full DAVIS folder")
    parser.add_argument("--davis-every", type=int, default=1, metavar="N", help="every N-th frame of each sequence")
    parser.add_argument("--models", nargs="+", default=["builtin"], metavar="MODEL", help="names or weight files")
    parser.add_argument("--methods", nargs="+", default=METHODS, metavar="METHOD")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args(words)
    data = data_sets(arguments)
    if not data:
        parser.error("no data set is there: give --data, --duts, --voc or --davis")
    asked = shlex.join(["python", "benchmarks/jaccard.py", *map(public, words)])
    cells: dict[tuple[str, str], dict[str, Score]] = {}
    runs: list[dict[str, Any]] = []
    for run in passes(arguments.models, arguments.methods):
        segmenters = open_segmenters(run, arguments.device)
        backbone = next(iter(segmenters.values())).backbone
        for column, folder in data.items():
            every = arguments.davis_every if column == "DAVIS J" else 1
            dataset, start = open_dataset(folder), time.perf_counter()
            halves = {half: {sample.id for sample in dataset.select(half, every)} for half in HALVES}
            for row, values in rows_of(run, segmenters, dataset.select("all", every)).items():
                cells[row, column] = scores(values, halves)
                print(f"{column}: {row}: {cell(cells[row, column]['odd'])} on the odd half", file=sys.stderr)
            seconds = round(time.perf_counter() - start)
            sha256 = backbone.spec.sha256 if backbone else None
            runs.append({"column": column, "rows": [*map(run.row, run.methods)], "sha256": sha256, "seconds": seconds})
        write(arguments.output, cells, runs, asked)
    print(arguments.output.with_suffix(".md").read_text(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
