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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from dinoseg.evaluation import evaluate
from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.floors import FLOORS
from dinoseg.evaluation.foreground import BEST_HEAD
from dinoseg.evaluation.protocols import mean_of
from dinoseg.evaluation.report import Report, Score, versions

COLUMNS = {"DUTS": "duts", "VOC foreground": "VOC2012", "DAVIS J": "DAVIS", "COCO foreground": "coco"}
HALVES: tuple[Literal["odd", "even", "all"], ...] = ("odd", "even", "all")
METHODS = ("attention", "tokencut", "attention-cut")


@dataclass(frozen=True)
class Pass:
    """One run over a data set; several rows of the table may come from it."""

    options: dict[str, Any]
    rows: dict[str, str]
    """Row of the table -> name of the value."""


def passes(models: Sequence[str], methods: Sequence[str]) -> Iterator[Pass]:
    """What is run: the prior, untrained weights, then every model with every method."""
    floors = {f"{name} (floor)": name for name in FLOORS}
    yield Pass({"method": "prior"}, floors | {"prior": "IoU"})
    for method in ("attention", "attention-cut"):
        options = {"method": method, "model": models[0], "random_weights": True}
        yield Pass(options, {f"random weights, {method} (floor)": "IoU"})
    for model in models:
        name = Path(model).stem
        for method in methods:
            oracle = {f"{name}, {BEST_HEAD}": BEST_HEAD} if method == methods[-1] else {}
            yield Pass({"method": method, "model": model}, {f"{name}, {method}": "IoU"} | oracle)


def scores(report: Report, halves: Mapping[Any, set[str]], value: str) -> dict[str, Score]:
    """Mean and interval of one value over each half."""
    return {half: mean_of(value, [row for row in report.rows if row.id in ids]) for half, ids in halves.items()}


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
    given = {"VOC foreground": arguments.voc, "DAVIS J": arguments.davis}
    found |= {column: folder for column, folder in given.items() if folder}
    return {column: folder for column, folder in found.items() if folder.exists()}


def public(word: str) -> str:
    """A word of the command line as it is published: an absolute path would tell of one machine only."""
    return Path(word).name if Path(word).is_absolute() else word


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with duts/, VOC2012/, DAVIS/, coco/")
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
        parser.error("no data set is there: give --data, --voc or --davis")
    asked = shlex.join(["python", "benchmarks/jaccard.py", *map(public, words)])
    cells: dict[tuple[str, str], dict[str, Score]] = {}
    runs: list[dict[str, Any]] = []
    for run in passes(arguments.models, arguments.methods):
        for column, folder in data.items():
            every = arguments.davis_every if column == "DAVIS J" else 1
            report = evaluate("foreground", folder, device=arguments.device, every=every, **run.options)
            if report.failed:
                sys.exit(f"{folder}: {len(report.failed)} pictures failed, {report.failed[0]} first: no table.")
            dataset = open_dataset(folder)
            halves = {half: {sample.id for sample in dataset.select(half, every)} for half in HALVES}
            for row, value in run.rows.items():
                cells[row, column] = scores(report, halves, value)
                print(f"{column}: {row}: {cell(cells[row, column]['odd'])} on the odd half", file=sys.stderr)
            runs.append(
                {"column": column, "rows": list(run.rows), "sha256": report.sha256, "seconds": round(report.seconds)}
            )
        write(arguments.output, cells, runs, asked)
    print(arguments.output.with_suffix(".md").read_text(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
