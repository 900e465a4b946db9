"""The tables of ``methods.py``: from what was measured on single pictures to FILE.md and FILE.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from dinoseg.evaluation.aggregate import mean_of
from dinoseg.evaluation.compare import Difference, difference
from dinoseg.evaluation.metrics.instances import NAMES, accumulated, intervals, matched
from dinoseg.evaluation.protocols.saliency import Saliency
from dinoseg.evaluation.report import Row, Score, versions
from dinoseg.options import SegmentOptions

COLUMNS = ("DUTS IoU", "DUTS max F", "VOC IoU", "VOC CorLoc", "DAVIS J", "COCO IoU", "COCO AP50", "COCO AP")
DEFAULT = "attention-cut"
HEAD = """# Methods

Odd and even half of each set (of the sorted list; of the sequences in DAVIS). Whatever was chosen by ground truth was
chosen on the even half: quote the odd one. 95 % bootstrap intervals over images, or over sequences (of which there are
three: a hint at most).

- **IoU, J**: all objects found together against the foreground, void left out; mean over images, in DAVIS over frames
  first and then over sequences.
- **max F**: ORACLE, the ground truth chooses one threshold for all soft masks; beta^2 0.3, maximum of the mean curve.
- **CorLoc**: share of pictures where the box of the best-scored object has an IoU of 0.5 with a box of the truth.
- **AP50, AP**: of masks, class-agnostic, by pycocotools. Only `maskcut` and many regions may find several objects.
- **ms**: method and refinement; **images/s**: with the network. Seconds of the processor on one thread, decoding left
  out, medians over the pictures of the first set (those of DUTS have about 400 x 300 px).
- ORACLE best head: the ground truth picks the attention head of each picture, cut at 60 % of its mass.

Bilateral solver and CRF were tried on DUTS alone, with four methods.
"""
AGAINST = f"""## The default against each method

Mean IoU of `{DEFAULT}` less that of each other method on the same network, odd half, refinement {SegmentOptions.refine}
for both; paired 95 % bootstrap intervals over images, over sequences in DAVIS. **Bold**: the interval is on one side
of 0.
"""

Key: TypeAlias = "tuple[str, str]"
"""Method and refinement; floors and oracles have no refinement."""


@dataclass(frozen=True)
class Picture:
    """What was measured on one picture with one network."""

    sha256: str | None
    network: float
    """Seconds of the processor."""
    seconds: dict[Key, float]
    """Of method and refinement."""
    rows: dict[Key, Row]


Sets: TypeAlias = Mapping[str, Sequence[Picture]]
"""What was measured with one model, by data set."""


@dataclass(frozen=True)
class Line:
    """One line of a table."""

    model: str
    method: str
    refine: str
    scores: dict[str, Score]
    """By column."""
    speed: tuple[float, float] | None
    """Milliseconds of method and refinement, and images a second with the network."""


def write(path: Path, odd: Mapping[str, Sets], even: Mapping[str, Sets], asked: str) -> None:
    """FILE.md and FILE.json of what was measured, by model."""
    halves = {"odd": lines_of(odd), "even": lines_of(even)}
    against = {model: advantages(sets) for model, sets in odd.items()}
    foot = ", ".join(f"{name} {version}" for name, version in versions().items())
    tables = [table(halves["odd"], "odd", with_interval), table(halves["even"], "even", plain)]
    page = [HEAD, *tables, AGAINST, against_table(against), f"    {asked}", foot]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text("\n\n".join(part.strip("\n") for part in page) + "\n")
    content = {
        "command": asked,
        "versions": versions(),
        "sha256": {model: next(iter(sets.values()))[0].sha256 for model, sets in odd.items()},
        "scores": [{"half": half} | flat(line) for half, lines in halves.items() for line in lines],
        "against": [
            {"model": model, "method": method} | {name: numbers(x.value, x.interval) for name, x in found.items()}
            for model, methods in against.items()
            for method, found in methods.items()
        ],
    }
    path.with_suffix(".json").write_text(json.dumps(content).replace("}, {", "},\n{") + "\n")


# Numbers.


def lines_of(half: Mapping[str, Sets]) -> list[Line]:
    """The lines of one half."""
    lines = []
    for model, sets in half.items():
        for key in dict.fromkeys(key for pictures in sets.values() for key in pictures[0].rows):
            scores: dict[str, Score] = {}
            for name, pictures in sets.items():
                if key in pictures[0].rows:
                    scores |= scores_of(name, [picture.rows[key] for picture in pictures])
            lines.append(Line(model, *key, scores, speed(key, next(iter(sets.values())))))
    return lines


def scores_of(name: str, rows: Sequence[Row]) -> dict[str, Score]:
    """The columns of one data set."""
    found = {"DAVIS J" if name == "DAVIS" else f"{name} IoU": mean_of("IoU", rows)}
    if "CorLoc" in rows[0].values:
        found["VOC CorLoc"] = mean_of("CorLoc", rows)
    if rows[0].evidence is not None:
        found |= {"DUTS": max_f, "COCO": mask_ap}[name](rows)
    return found


def max_f(rows: Sequence[Row]) -> dict[str, Score]:
    """F (beta^2 0.3) at the threshold at which its mean over the images is largest."""
    return {"DUTS max F": Saliency().conclude([replace(row, values={}) for row in rows])[0]}


def mask_ap(rows: Sequence[Row]) -> dict[str, Score]:
    """Class-agnostic AP of masks."""
    evaluator = matched(*map(list, zip(*(row.evidence for row in rows), strict=True)), kind="segm")
    values, bounds = accumulated(evaluator, range(len(rows))), intervals(evaluator, [1] * len(rows))
    found = {}
    for name in ("AP50", "AP"):
        i = NAMES.index(name)
        found[f"COCO {name}"] = Score(name, values[i], (bounds[0, i], bounds[1, i]), len(rows), "images", "label-free")
    return found


def speed(key: Key, pictures: Sequence[Picture]) -> tuple[float, float] | None:
    """Medians over pictures; none for what is no method."""
    taken = [(x.seconds[key], x.network) for x in pictures if key in x.seconds]
    if not taken:
        return None
    return 1000 * median(own for own, _ in taken), 1 / median(own + network for own, network in taken)


def advantages(sets: Sets) -> dict[str, dict[str, Difference]]:
    """What the default has more of than each other method, by method and data set, with the default refinement."""

    def rows(method: str, name: str) -> dict[str, Row]:
        return {row.id: row for row in (x.rows[method, SegmentOptions.refine] for x in sets[name])}

    keys = next(iter(sets.values()))[0].rows
    methods = [method for method, refinement in keys if refinement == SegmentOptions.refine]
    return {
        other: {name: difference("IoU", rows(other, name), rows(DEFAULT, name)) for name in sets}
        for other in methods
        if DEFAULT in methods and other != DEFAULT
    }


# Pages.


def table(lines: Sequence[Line], half: str, show: Callable[[Score], str]) -> str:
    """Lines by columns, as Markdown."""
    counts = {c: next((line.scores[c].units for line in lines if c in line.scores), 0) for c in COLUMNS}
    columns = [column for column, count in counts.items() if count]
    titles = [f"{column} ({counts[column]})" for column in columns]
    out = [f"| {half} half | method | refine | {' | '.join(titles)} | ms | images/s |"]
    out.append("| --- " * (len(columns) + 5) + "|")
    for line in lines:
        cells = [show(line.scores[column]) if column in line.scores else "" for column in columns]
        cells += [f"{line.speed[0]:.0f}", f"{line.speed[1]:.1f}"] if line.speed else ["", ""]
        out.append(f"| {line.model} | {line.method} | {line.refine} | {' | '.join(cells)} |")
    return "\n".join(out)


def with_interval(score: Score) -> str:
    """Value and interval; a single image or sequence has none."""
    if score.interval is None:
        return plain(score)
    return f"{score.value:.3f} [{score.interval[0]:.3f}, {score.interval[1]:.3f}]"


def plain(score: Score) -> str:
    """The value alone."""
    return f"{score.value:.3f}"


def against_table(against: Mapping[str, dict[str, dict[str, Difference]]]) -> str:
    """Other methods by data sets, as Markdown."""
    names = dict.fromkeys(name for methods in against.values() for found in methods.values() for name in found)
    out = [f"| network | method | {' | '.join(names)} |", "| --- " * (len(names) + 2) + "|"]
    for model, methods in against.items():
        for method, found in methods.items():
            out.append(f"| {model} | {method} | {' | '.join(advantage(found[name]) for name in names)} |")
    return "\n".join(out)


def advantage(found: Difference) -> str:
    """Value and interval of a difference."""
    if found.interval is None:
        return f"{found.value:+.3f}"
    low, high = found.interval
    told = f"{found.value:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"**{told}**" if low > 0 or high < 0 else told


def flat(line: Line) -> dict[str, Any]:
    """A line as JSON has it: value and interval of each score."""
    facts: dict[str, Any] = {"model": line.model, "method": line.method, "refine": line.refine}
    facts |= {column: numbers(score.value, score.interval) for column, score in line.scores.items()}
    return facts | ({"ms": round(line.speed[0], 2), "images/s": round(line.speed[1], 3)} if line.speed else {})


def numbers(value: float, interval: tuple[float, float] | None) -> list[float]:
    """Value, and the ends of its interval."""
    return [round(float(x), 4) for x in (value, *(interval or ()))]
