"""Does DINO learn from random weights? k-NN and label-free masks of a run's snapshots, and what they have to beat.

    python benchmarks/scratch.py RUN/checkpoints/*.pth --run RUN --labelled IMAGENETTE --duts DUTS --cache CACHE -o FILE

RUN was made by `dinoseg train --save-every N`; the snapshots may have become weight files since, as long as they are
named `...step-NUMBER`. IMAGENETTE holds train/CLASS and val/CLASS, DUTS images/ and masks/. Reports lie in CACHE: a run
that was stopped goes on there. Writes FILE.md and FILE.json.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import command_line, number, quoted, table, write
from reports import report_of, slug

from dinoseg.evaluation.compare import Difference, compare
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.report import Score
from dinoseg.options import EvaluateOptions, TrainOptions
from dinoseg.training.report import words

EVERY = 2
"""Of the odd half of DUTS: nothing was chosen here, but defaults were on the even one."""
METHODS = ("attention", "attention-cut")
RANDOM = "random weights (floor)"
HEAD = """# DINO from random weights

A ViT with patch {patch}, width {width} and depth {depth}, on {photographs:,} photographs, {batch} a step, no labels.

- **k-NN**: top-1 of weighted k-NN (k 20) on CLS tokens, crops of {side} px as in training.
- **attention**, **attention-cut**: IoU of these methods, label-free, with the foreground of every second picture of
  DUTS's odd half, 32 patches along the longer side.

95 % bootstrap intervals over pictures; "gained" is over the same network untrained, paired.
"""


@dataclass(frozen=True)
class Column:
    """One measure."""

    protocol: str
    data: Path
    options: Mapping[str, Any]
    compared: str
    """The value of single pictures that is averaged."""


@dataclass(frozen=True)
class Line:
    """One network, or floor."""

    scores: dict[str, Score]
    """By column."""
    gained: dict[str, Difference]


@dataclass(frozen=True)
class Judge:
    """Measures networks by all columns."""

    columns: Mapping[str, Column]
    cache: Path

    def lines(self, snapshots: Mapping[str, Path]) -> dict[str, Line]:
        """Floors, the untrained network, then the snapshots."""
        first = next(iter(snapshots.values()))
        found = {RANDOM: self.line(RANDOM, first, random_weights=True)}
        found |= {name: self.line(name, path) for name, path in snapshots.items()}
        return self.floors() | found

    def line(self, name: str, model: Path, *, random_weights: bool = False) -> Line:
        """What one network reaches."""
        scores, gained = {}, {}
        for title, column in self.columns.items():
            options = EvaluateOptions(
                model=str(model),
                random_weights=random_weights,
                output=self.place(title, name),
                overwrite=True,
                **column.options,
            )
            scores[title] = Score(**report_of(column.protocol, column.data, options)["scores"][0])
            if not random_weights:
                differences = compare(self.place(title, RANDOM), self.place(title, name))
                gained[title] = next(x for x in differences if x.name == column.compared)
        return Line(scores, gained)

    def floors(self) -> dict[str, Line]:
        """What no network is needed for, by the reports of the untrained one."""
        found: dict[str, Line] = {}
        for title in self.columns:
            report = json.loads((self.place(title, RANDOM) / "report.json").read_text())
            for score in (Score(**score) for score in report["scores"]):
                if score.kind == "floor" and (score.name in FLOORS or score.name.startswith("top-1, ")):
                    name = f"{score.name.removeprefix('top-1, ')} (floor)"
                    found.setdefault(name, Line({}, {})).scores[title] = score
        return found

    def place(self, title: str, name: str) -> Path:
        """Where a report is kept."""
        return self.cache / slug(title, name)


def cells(columns: Sequence[str], line: Line) -> Iterator[str]:
    """Score and gain, column by column."""
    for title in columns:
        score = line.scores.get(title)
        yield number(score.value, score.interval) if score else ""
        gain = line.gained.get(title)
        yield number(gain.value, gain.interval, sign=True) if gain and gain.interval else ""


def tabled(columns: Sequence[str], lines: Mapping[str, Line]) -> str:
    """As Markdown."""
    titles = [part for title in columns for part in (title, "gained")]
    return table(["network", *titles], [[name, *cells(columns, line)] for name, line in lines.items()])


def about(run: Mapping[str, Any], every: int) -> str:
    """What was trained, and how; snapshots are ``every`` so many epochs."""
    network, count, batch = run["network"], run["photographs"]["count"], run["photographs_per_step"]
    options: dict[str, Any] = {key: tuple(x) if isinstance(x, list) else x for key, x in run["options"].items()}
    asked = TrainOptions(output=Path("RUN"), batch=batch, save_every=every, **options)
    typed = shlex.join(["dinoseg", "train", "PHOTOS", *words(asked)])
    head = HEAD.format(photographs=count, batch=batch, side=options["global_size"], **network)
    return f"{head}\n    {typed}\n"


def main(argument_words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("snapshots", type=Path, nargs="+")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run's run.json")
    parser.add_argument("--labelled", type=Path, required=True, help="labelled folder")
    parser.add_argument("--duts", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    arguments = parser.parse_args(argument_words)
    run = json.loads((arguments.run / "run.json").read_text())
    by_step = {int(path.stem.rpartition("step-")[2]): path for path in arguments.snapshots}
    per_epoch = run["photographs"]["count"] // run["photographs_per_step"]
    snapshots = {f"{step} steps, epoch {step / per_epoch:.3g}": by_step[step] for step in sorted(by_step)}
    columns = {
        "k-NN": Column("knn", arguments.labelled, {"size": run["options"]["global_size"]}, "top-1"),
        **{
            method: Column("foreground", arguments.duts, {"method": method, "split": "odd", "every": EVERY}, "IoU")
            for method in METHODS
        },
    }
    lines = Judge(columns, arguments.cache).lines(snapshots)
    every = max(1, round(min(by_step) / per_epoch))
    publish(arguments.output, about(run, every), list(columns), lines, quoted("scratch.py", argument_words))


def publish(path: Path, head: str, columns: Sequence[str], lines: Mapping[str, Line], asked: str) -> None:
    """FILE.md and FILE.json."""
    scores = [{"row": name, "column": c} | asdict(x) for name, line in lines.items() for c, x in line.scores.items()]
    gained = [{"row": name, "column": c} | asdict(x) for name, line in lines.items() for c, x in line.gained.items()]
    write(path, f"{head}\n{tabled(columns, lines)}", {"scores": scores, "gained": gained}, asked)


if __name__ == "__main__":
    main(sys.argv[1:])
