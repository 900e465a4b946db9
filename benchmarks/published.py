"""A published table again: the published value, ours, and the difference.

    python benchmarks/published.py corloc --data FOLDER -o corloc                        # the papers' networks, by name
    python benchmarks/published.py corloc --data FOLDER --model dino_vits16.pth -o corloc # or one of them as a file
    python benchmarks/published.py saliency --data FOLDER --model builtin -o saliency    # any other in their place

FOLDER holds the data sets in their own layouts, or some of them: VOC2007, VOC2012, coco, ECSSD, DUTS-TE, DUT-OMRON,
DAVIS. A network of a paper's shape is taken for that paper's; any other stands in for all of them, with the features
that methods take of its family. What is not the paper's network on the paper's pictures is said to be not comparable.
Writes FILE.md and FILE.json; the reports of `dinoseg evaluate` lie in FILE.work/, where a run that was stopped goes on:
remove it after a change of the program.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

from harness import command_line, public, quoted, write
from published_values import DATA, MARKS, SHAPES, TABLES, Line, Table
from reports import report_of, slug

from dinoseg.backbone.spec import BackboneSpec
from dinoseg.backbone.zoo import load_backbone
from dinoseg.errors import DinosegError
from dinoseg.evaluation.datasets import open_dataset
from dinoseg.options import EvaluateOptions, ModelOptions

COLUMNS = ("published by", "data", "network", "made with", "score", "published", "ours", "difference", "comparable")


@dataclass(frozen=True)
class Outcome:
    """One published value and what became of it."""

    paper: str
    data: str
    model: str
    """The paper's."""
    made_with: str
    score: str
    published: float
    mark: str
    ours: float | None
    interval: tuple[float, float] | None
    obstacles: tuple[str, ...]
    """Why the two are not comparable."""


# What is measured.


class Runner:
    """Runs `dinoseg evaluate` once for each set of options, and never again for what has a report."""

    def __init__(self, data: Path, model: str | None, pictures: int | None, work: Path) -> None:
        self.data, self.model, self.pictures, self.work = data, model, pictures, work
        spec = load_backbone(ModelOptions(model=model)).spec if model else None
        self.stands_for = spec and stands_for(spec)
        self.digest = spec.sha256[:8] if spec else ""
        self.weights: dict[str, str] = {}
        """sha256 of every network that was run."""

    def lines(self, table: Table) -> list[Line]:
        """Those for which the network was meant; all, where it is no paper's."""
        meant = [line for line in table.lines if line.model == self.stands_for]
        return meant or list(table.lines)

    def outcomes(self, table: Table, line: Line) -> Iterator[Outcome]:
        """One line on all its data sets."""
        for name, values in line.values.items():
            way = told(line, table.size or DATA[name].size)
            report = self.report(table, line, name)
            found = {} if isinstance(report, str) else {score["name"]: score for score in report["scores"]}
            obstacles = tuple(self.obstacles(name, line, report))
            for score, value in zip(line.scores, values, strict=True):
                ours, ends = (found[score][key] for key in ("value", "interval")) if score in found else (None, None)
                given = line.paper, name, line.model, way, score, value, line.mark
                yield Outcome(*given, percent(ours), tuple(map(percent, ends)) if ends else None, obstacles)

    def report(self, table: Table, line: Line, name: str) -> dict[str, Any] | str:
        """The report, from an earlier run where there is one; or why there is none."""
        found = place(self.data, name)
        if found is None:
            return f"{' or '.join(dict.fromkeys(path for path, _ in DATA[name].places))} is not there"
        path, image_set = found
        size, model = table.size or DATA[name].size, self.model or line.model
        try:
            every = self.every(path, image_set)
            folder = self.work / slug(table.protocol, name, public(model), self.digest, told(line, size), str(every))
            common = {"model": model, "size": size, "every": every, "image_set": image_set}
            options = EvaluateOptions(**common, output=folder, overwrite=True, **line.options)
            report = report_of(table.protocol, path, options)
        except DinosegError as error:
            return str(error).replace(f"{self.data}/", "")
        self.weights[f"{'random weights in the shape of ' * options.random_weights}{public(model)}"] = report["sha256"]
        return report

    def every(self, path: Path, image_set: str | None) -> int:
        """So that about as many pictures are scored as are asked for. Raises ``DatasetError``."""
        return ceil(len(open_dataset(path, image_set).samples) / self.pictures) if self.pictures else 1

    def obstacles(self, name: str, line: Line, report: dict[str, Any] | str) -> Iterator[str]:
        """Why our number must not be held against the published one."""
        if isinstance(report, str):
            yield f"not measured: {report}"
            return
        if report["failed"]:
            yield f"{len(report['failed'])} pictures failed"
        if report["images"] != DATA[name].pictures:
            source = f"{report['dataset']}, {report['layout']}"
            yield f"{report['images']:,} pictures of {source}, not {DATA[name].pictures:,}"
        if self.model and self.stands_for != line.model:
            yield f"{public(self.model)} instead of {line.model}"
        if line.differs:
            yield f"published: {line.differs}"


def stands_for(spec: BackboneSpec) -> str | None:
    """The paper's network that has the shape of this one."""
    return next((name for name, shape in SHAPES.items() if shape == (spec.family, spec.patch, spec.width)), None)


def place(data: Path, name: str) -> tuple[Path, str | None] | None:
    """Where a data set lies and which list it is asked for; the first place that is there, with its list."""
    for folder, listing in DATA[name].places:
        path = data / folder
        if path.exists() and (listing is None or (path / "ImageSets" / f"{listing}.txt").is_file()):
            return path, listing
        if path.exists() and (data / listing).is_file():
            return path, str(data / listing)
    return None


def told(line: Line, size: int | None) -> str:
    """``tokencut (tau=0.2), refinement none, long side 500 px``."""
    method = line.options.get("method", "the protocol's own way")
    given = f" ({', '.join(line.options['param'])})" if "param" in line.options else ""
    refined = f", refinement {line.options['refine']}" if "refine" in line.options else ""
    random = "random weights, " if line.options.get("random_weights") else ""
    return f"{random}{method}{given}{refined}, {f'long side {size} px' if size else 'short side 480 px'}"


def percent(value: float | None) -> float | None:
    """Of 0..1."""
    return None if value is None else 100 * value


# What is written.


def row(outcome: Outcome) -> str:
    """A line of the table."""
    published = f"{outcome.published:.1f}{MARKS[outcome.mark]}"
    ours = difference = ""
    if outcome.ours is not None:
        ends = f" [{outcome.interval[0]:.1f}, {outcome.interval[1]:.1f}]" if outcome.interval else ""
        ours, difference = f"{outcome.ours:.1f}{ends}", f"{outcome.ours - outcome.published:+.1f}"
    fair = f"no: {'; '.join(outcome.obstacles)}" if outcome.obstacles else "yes"
    if outcome.ours is None:
        fair = "; ".join(outcome.obstacles)
    first = (outcome.paper, outcome.data, outcome.model, outcome.made_with, outcome.score)
    return f"| {' | '.join((*first, published, ours, difference, fair))} |"


def page(table: Table, outcomes: Sequence[Outcome], weights: dict[str, str]) -> str:
    """The table, what holds for all of it first."""
    lines = [f"# {table.title}\n", f"Percent; 95 % bootstrap intervals. Protocol `{table.protocol}`. {table.note}\n"]
    lacking = sum(outcome.ours is None for outcome in outcomes)
    unlike = sum(bool(outcome.obstacles) for outcome in outcomes) - lacking
    if lacking or unlike:
        lines.append(
            f"**Of {len(outcomes)} values {unlike} are not comparable and {lacking} not measured**; see why.\n"
        )
    lines += [f"| {' | '.join(COLUMNS)} |", "| --- " * len(COLUMNS) + "|", *map(row, outcomes)]
    lines += ["", *(f"- network: {name}, sha256 {digest}" for name, digest in weights.items())]
    return "\n".join(lines)


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("table", choices=list(TABLES))
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="folder of the data sets")
    parser.add_argument("--model", help="a name or a weight file in the place of the papers' networks")
    parser.add_argument(
        "--pictures", type=int, metavar="N", help="about so many of each data set, evenly (default: all)"
    )
    arguments = parser.parse_args(words)
    table = TABLES[arguments.table]
    work = arguments.output.with_name(f"{arguments.output.name}.work")
    runner = Runner(arguments.data, arguments.model, arguments.pictures, work)
    outcomes = [outcome for line in runner.lines(table) for outcome in runner.outcomes(table, line)]
    if all(outcome.ours is None for outcome in outcomes):
        raise SystemExit("\n".join(dict.fromkeys(f"{x.data}: {x.obstacles[0]}" for x in outcomes)))
    asked = quoted("published.py", words)
    content = {"sha256": runner.weights, "table": table.title, "values": list(map(asdict, outcomes))}
    print(write(arguments.output, page(table, outcomes, runner.weights), content, asked), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
