"""What becomes of scores of `dinoseg evaluate` when photographs are spoiled (`--corrupt`): noise, blur, JPEG, light ...

    python benchmarks/robustness.py DUTS --split odd --every 10 -o benchmarks/results/robustness

Every photograph is taken as it is and after each corruption of ``dinoseg/images/corruptions.py``, so all scores are
of the same pictures. Writes FILE.md, FILE.json and FILE.png.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from harness import command_line, number, public, quoted, write
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tqdm import tqdm

from dinoseg.evaluation import make_protocol
from dinoseg.evaluation.compare import Difference, difference
from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.protocols.masks import MaskProtocol
from dinoseg.evaluation.report import Report, Row, Score
from dinoseg.evaluation.run import run
from dinoseg.images.corruptions import CORRUPTIONS, Condition
from dinoseg.options import EvaluateOptions

PROTOCOLS = ("foreground", "saliency", "corloc")
"""Those that have values of single pictures, which a difference needs."""
ENOUGH = 30
"""Fewer pictures are called a small sample."""
MOST = max(len(corruption.strengths) for corruption in CORRUPTIONS.values())
HEAD = """# Robustness

{about}

In brackets: the difference to the untouched photographs; **bold** where its paired 95 % bootstrap interval over the
pictures is on one side of 0. Last column: the mean difference over the severities.
"""


CLEAN = Condition("none", 0)
CONDITIONS = [CLEAN] + [Condition(name, n + 1) for name, x in CORRUPTIONS.items() for n in range(len(x.strengths))]


@dataclass(frozen=True)
class Measured:
    """One method under all conditions."""

    network: dict[str, Any]
    """Its model, sha256 and size."""
    rows: dict[Condition, list[Row[Any]]]
    scores: dict[Condition, Score]
    floor: Score
    """The centred ellipse: what looking at nothing gives."""
    failed: list[tuple[str, str]]

    def change(self, condition: Condition) -> Difference:
        """Against the untouched photographs."""
        return difference(self.scores[CLEAN].name, by_id(self.rows[CLEAN]), by_id(self.rows[condition]))

    def mean_change(self, name: str) -> Difference:
        """Mean over the severities of a corruption."""
        score = self.scores[CLEAN].name
        spoiled = [self.rows[x] for x in CONDITIONS if x.name == name]
        means = [
            replace(rows[0], values={score: mean(row.values[score] for row in rows)} if score in rows[0].values else {})
            for rows in zip(*spoiled, strict=True)
        ]
        return difference(score, by_id(self.rows[CLEAN]), by_id(means))


def by_id(rows: Sequence[Row[Any]]) -> dict[str, Row[Any]]:
    return {row.id: row for row in rows}


# What is measured.


def measured(name: str, data: Path, options: EvaluateOptions) -> Measured:
    """All photographs under all conditions; one that cannot be done under each of them counts under none."""
    reports: dict[Condition, Report] = {}
    for condition in tqdm(CONDITIONS, desc=options.method, disable=None):
        corrupt = None if condition == CLEAN else str(condition)
        reports[condition] = run(name, data, replace(options, corrupt=corrupt))
    failed = dict(failure for report in reports.values() for failure in report.failed)
    rows = {key: [row for row in report.rows if row.id not in failed] for key, report in reports.items()}
    if not rows[CLEAN]:
        raise SystemExit(f"no picture could be scored: {list(failed.items())[:3]}")
    protocol, clean = make_protocol(name), reports[CLEAN]
    assert isinstance(protocol, MaskProtocol)
    scores = {condition: protocol.conclude(measurements) for condition, measurements in rows.items()}
    floor = next(score for score in scores[CLEAN] if score.name.endswith(next(iter(FLOORS))))
    network = {"model": public(clean.model or "none"), "sha256": clean.sha256, "size": clean.size}
    return Measured(network, rows, {key: each[0] for key, each in scores.items()}, floor, list(failed.items()))


# What comes of it.


def table(found: Mapping[str, Measured]) -> str:
    """Methods and corruptions by severity, as Markdown."""
    lines = [f"| method | corruption | none | {' | '.join(map(str, range(1, MOST + 1)))} | mean |"]
    lines.append("| --- " * (MOST + 4) + "|")
    for method, each in found.items():
        for name, corruption in CORRUPTIONS.items():
            there = [cell(each, Condition(name, n + 1)) for n in range(len(corruption.strengths))]
            cells = [f"{each.scores[CLEAN].value:.3f}", *there, *[""] * (MOST - len(there)), with_interval(each, name)]
            lines.append(f"| {method} | {in_words(name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(found: Measured, condition: Condition) -> str:
    """``0.712 (-0.031)``."""
    change = found.change(condition)
    told = f"({change.value:+.3f})"
    return f"{found.scores[condition].value:.3f} {f'**{told}**' if is_sure(change) else told}"


def with_interval(found: Measured, name: str) -> str:
    """``-0.031 [-0.052, -0.011]``."""
    change = found.mean_change(name)
    return number(change.value, change.interval, sign=True)


def in_words(name: str) -> str:
    """A corruption as tables call it."""
    return name.replace("-", " ")


def is_sure(change: Difference) -> bool:
    """Whether its interval is on one side of 0."""
    return change.interval is not None and (change.interval[0] > 0 or change.interval[1] < 0)


def plot(found: Mapping[str, Measured]) -> Figure:
    """A panel for each corruption: the score by severity."""
    figure = Figure(figsize=(11, 6), layout="constrained")
    panels = figure.subplots(2, 3, sharex=True, sharey=True).flat
    first = next(iter(found.values()))
    for axes, (name, corruption) in zip(panels, CORRUPTIONS.items(), strict=True):
        for method, each in found.items():
            draw(axes, each, [CLEAN, *(Condition(name, n + 1) for n in range(len(corruption.strengths)))], method)
        axes.axhline(first.floor.value, color="grey", linestyle=":", label="centred ellipse (floor)")
        axes.set_title(
            f"{in_words(name)}: {', '.join(f'{x:g}' for x in corruption.strengths)}\n{corruption.meaning}", fontsize=9
        )
        axes.set_ylim(0, 1)
    figure.supxlabel("severity")
    figure.supylabel(f"{first.scores[CLEAN].name}, 95 % interval")
    figure.axes[0].legend(fontsize=8, loc="lower left")
    return figure


def draw(axes: Axes, found: Measured, conditions: Sequence[Condition], label: str) -> None:
    """One method's line, and its interval as a band where there is one."""
    scores, severities = [found.scores[x] for x in conditions], [x.severity for x in conditions]
    (line,) = axes.plot(severities, [score.value for score in scores], "o-", markersize=3, label=label)
    if all(score.interval for score in scores):
        low, high = zip(*(score.interval for score in scores if score.interval), strict=True)
        axes.fill_between(severities, low, high, color=line.get_color(), alpha=0.15)


def page(found: Mapping[str, Measured], about: str) -> str:
    """The table with what is needed to trust and repeat it."""
    lines = [HEAD.format(about=about), table(found), ""]
    lines += [
        f"- {in_words(name)}: {', '.join(f'{x:g}' for x in c.strengths)} ({c.meaning})"
        for name, c in CORRUPTIONS.items()
    ]
    lines += [
        f"- **Partial**, {method}: without {', '.join(f'{id_} ({reason})' for id_, reason in each.failed)}"
        for method, each in found.items()
        if each.failed
    ]
    network = next(iter(found.values())).network
    lines.append(f"- network: {network['model']}, sha256 {network['sha256']}, long side {network['size']} px")
    return "\n".join(lines)


def content(found: Mapping[str, Measured], about: str) -> dict[str, Any]:
    """Everything as JSON."""
    scores = [
        {
            "row": f"{method}, {in_words(x.name)}",
            "column": str(x.severity),
            **asdict(each.scores[x]),
            "change": asdict(each.change(x)),
        }
        for method, each in found.items()
        for x in CONDITIONS
    ]
    first = next(iter(found.values()))
    floor = {"row": "centred ellipse (floor)", "column": f"severity {CLEAN.severity}", **asdict(first.floor)}
    failed = {method: each.failed for method, each in found.items() if each.failed}
    return {"data": about} | first.network | {"failed": failed, "scores": [floor, *scores]}


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("data", type=Path, help="a data set, as for dinoseg evaluate")
    parser.add_argument("--protocol", choices=PROTOCOLS, default=PROTOCOLS[0])
    parser.add_argument("--methods", nargs="+", default=["attention", "attention-cut", "head"], metavar="METHOD")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--split", choices=("all", "even", "odd"), default="all")
    parser.add_argument("--every", type=int, default=1, metavar="N")
    arguments = parser.parse_args(words)
    dataset = open_dataset(arguments.data)
    pictures = len(dataset.select(arguments.split, arguments.every))
    options = EvaluateOptions(model=arguments.model, split=arguments.split, every=arguments.every)
    found = {
        name: measured(arguments.protocol, arguments.data, replace(options, method=name)) for name in arguments.methods
    }
    asked = quoted("robustness.py", words)
    small = ", a small sample" if pictures < ENOUGH else ""
    about = f"`{arguments.protocol}` on {pictures} pictures{small}, of {dataset.name} ({dataset.layout}), split "
    about += f"{arguments.split}{f', 1 in {arguments.every}' if arguments.every > 1 else ''}"
    text = write(arguments.output, page(found, about), content(found, about), asked)
    plot(found).savefig(arguments.output.with_suffix(".png"), dpi=90)
    print(text, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
