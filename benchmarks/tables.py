"""Every protocol of `dinoseg evaluate`, one table each: the truth against itself, floors, networks; with intervals.

    python benchmarks/tables.py --data FOLDER --classes IMAGENETTE/val --models random builtin FILE --cache CACHE -o OUT

FOLDER holds duts/, VOC2012/, DAVIS/ and coco/, --classes one folder of photographs per class; a protocol without data
is left out. Reports and predictions lie in CACHE, by network: a run that was stopped goes on there, and a network that
was measured is not measured again. It belongs to one state of the program. Writes OUT.md and OUT.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from harness import command_line, number, quoted, shortened
from harness import table as grid
from method_tables import numbers
from methods import MODEL_HELP
from page_parts import TRUTH
from protocol_tables import LABELS, TABLES, Network, Table, draw_all, open_network
from reports import kept, report_of, slug

from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.datasets.base import Sample
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.report import Score, versions
from dinoseg.evaluation.run import command
from dinoseg.options import EvaluateOptions

SPLIT: Any = "odd"
"""Defaults were chosen on the even half."""
HEAD = """# Every protocol

Small parts of the data sets, the odd half of each (of the sorted list; of the sequences in DAVIS): whatever was chosen
by ground truth was chosen on the even half. 95 % bootstrap intervals over pictures, over objects or sequences in DAVIS,
of which there are three: a hint at most. Not comparable with tables over whole data sets. First lines: what a protocol
gives for the ground truth as prediction, and for masks drawn without looking. All methods: [methods.md](methods.md);
k-NN, linear probe and retrieval with all training pictures: [knn.md](knn.md).
"""


# What is measured.


@dataclass(frozen=True)
class Line:
    """One line of a table."""

    scores: dict[str, Score]
    """By column."""
    command: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)


class Runner:
    """Fills one table."""

    def __init__(self, table: Table, data: Path, classes: Path | None, cache: Path) -> None:
        self.table, self.root, self.cache = table, data, cache
        self.data = data / table.data if table.data else classes or data / "classes"

    def lines(self, networks: Sequence[Network]) -> dict[str, Line]:
        """By name: the truth, floors, networks."""
        drawn = dict(self.references()) if self.table.truth else {}
        measured = {network.name: self.of(network) for network in networks}
        return drawn | self.floors(next(iter(measured.values()))) | drawn | measured

    def references(self) -> Iterator[tuple[str, Line]]:
        """The truth and the floors, scored as anyone's predictions are."""
        truth = str(self.table.truth)
        yield TRUTH, self.line(self.options(TRUTH, predictions=self.root / truth), truth)
        for name, draw in FLOORS.items():
            yield name, self.of_files(name, partial(draw_all, draw))

    def of(self, network: Network) -> Line:
        """What a network reaches."""
        name = f"{network.name} {network.sha256[:8]}"
        if self.table.make:
            return self.of_files(name, partial(self.table.make, network))
        return self.line(self.options(name, **network.options, **self.table.options))

    def of_files(self, name: str, make: Callable[[Sequence[Sample], Path], None]) -> Line:
        """A report of predictions that are made first."""
        folder = self.cache / slug("files", self.table.protocol, self.data.name, name)
        options = self.options(name, predictions=folder / LABELS)
        if not kept(self.place(name), command(self.table.protocol, self.data, options)):
            make(open_dataset(self.data).select(SPLIT, options.every), folder)
        return self.line(options, f"{slug(name)}/{LABELS}")

    def place(self, name: str) -> Path:
        """Where a report is kept."""
        return self.cache / slug(self.table.protocol, self.data.name, name)

    def options(self, name: str, **asked: Any) -> EvaluateOptions:
        """Of the report of that name."""
        return EvaluateOptions(split=SPLIT, every=self.table.every, output=self.place(name), overwrite=True, **asked)

    def line(self, options: EvaluateOptions, files: str | None = None) -> Line:
        """One report, now or from the cache; ``files``: what the page calls the predictions.

        Raises ``SystemExit`` where pictures failed.
        """
        report = report_of(self.table.protocol, self.data, options)
        shown = replace(options, output=None, overwrite=False, predictions=Path(files) if files else None)
        asked = shortened(command(self.table.protocol, self.data, shown))
        if report["failed"]:
            raise SystemExit(f"{asked}: {len(report['failed'])} pictures failed, for instance {report['failed'][0]}")
        scores = {score["name"]: Score(**score) for score in report["scores"]}
        return Line({name: scores[name] for name in self.table.scores if name in scores}, asked, report)

    def floors(self, line: Line) -> dict[str, Line]:
        """Those that a report of a network holds, by their names without that of the column."""
        found: dict[str, dict[str, Score]] = {}
        for score in (Score(**score) for score in line.report["scores"] if score["kind"] == "floor"):
            bare = self.table.scores[0] if score.name in FLOORS else None  # the headline's, where it says no more
            column = next((x for x in self.table.scores if score.name.startswith(x)), bare)
            if column:
                name = score.name.removeprefix(column).strip(" ,")
                found.setdefault(name if name in FLOORS else f"{name} (floor)", {})[column] = score
        return {name: Line(scores) for name, scores in found.items()}


# What is written.


def section(table: Table, lines: Mapping[str, Line]) -> str:
    """A table with what it is of, and its commands."""
    reports = [line.report for line in lines.values() if line.report]
    title = f"## {table.protocol}: {reports[-1]['dataset']}"
    columns = [name for name in table.scores if any(name in line.scores for line in lines.values())]
    rows = [
        [name, *(number(each.value, each.interval) if (each := line.scores.get(x)) else "" for x in columns)]
        for name, line in lines.items()
    ]
    commands = [f"    {line.command}" for line in lines.values() if line.command]
    return "\n".join(
        [title, "", f"{about(table, reports[-1])} {table.note}".strip(), "", grid(["", *columns], rows), "", *commands]
    )


def about(table: Table, report: Mapping[str, Any]) -> str:
    """How many of what."""
    thinned = f", 1 in {report['every']}" if report["every"] > 1 else ""
    unit = "frames" if table.data == "DAVIS" else "copies" if table.protocol == "copies" else "pictures"
    return f"{report['images']} {unit} of {report['dataset']} ({report['layout']}), split {report['split']}{thinned}."


def write(
    path: Path, found: Sequence[tuple[Table, Mapping[str, Line]]], networks: Sequence[Network], asked: str
) -> None:
    """OUT.md and OUT.json."""
    weights = [f"- {network.name}: sha256 {network.sha256}" for network in networks]
    foot = ", ".join(f"{name} {version}" for name, version in versions().items())
    sections = [section(table, lines) for table, lines in found]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text(
        "\n\n".join([HEAD.rstrip(), *sections, "\n".join(weights), f"    {asked}", foot, ""])
    )
    scores = [
        {"half": table.protocol, "model": name, "command": line.command}
        | {column: numbers(score.value, score.interval) for column, score in line.scores.items()}
        for table, lines in found
        for name, line in lines.items()
    ]
    content = {"command": asked, "versions": versions(), "sha256": {x.name: x.sha256 for x in networks}}
    path.with_suffix(".json").write_text(json.dumps(content | {"scores": scores}).replace("}, {", "},\n{") + "\n")


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with duts/, VOC2012/, DAVIS/, coco/")
    parser.add_argument("--classes", type=Path, help="a folder of photographs per class")
    parser.add_argument("--models", nargs="+", default=["random", "builtin"], metavar="MODEL", help=MODEL_HELP)
    names = [table.protocol for table in TABLES]
    parser.add_argument("--protocols", nargs="+", default=names, choices=names, metavar="PROTOCOL")
    parser.add_argument("--cache", type=Path, required=True, help="folder of reports and predictions")
    arguments = parser.parse_args(words)
    tables = [table for table in TABLES if table.protocol in arguments.protocols]
    runners = [Runner(table, arguments.data, arguments.classes, arguments.cache) for table in tables]
    runners = [runner for runner in runners if runner.data.exists()]
    if not runners:
        raise SystemExit(f"{arguments.data} holds none of {', '.join(dict.fromkeys(x.data for x in tables))}")
    arguments.cache.mkdir(parents=True, exist_ok=True)
    networks = [open_network(name, arguments.cache) for name in arguments.models]
    found = [(runner.table, runner.lines(networks)) for runner in runners]
    write(arguments.output, found, networks, quoted("tables.py", words))
    print(arguments.output.with_suffix(".md").read_text(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
