"""From the JSON of reports and of benchmarks to the tables and bars of ``page.py``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from dinoseg.evaluation import PROTOCOLS
from dinoseg.evaluation.metrics.floors import FLOORS

Content: TypeAlias = "dict[str, Any]"
TRUTH = "ORACLE ground truth against itself"
"""A row that is no result, but shows that a protocol gives what it must; it is in no plot."""


@dataclass(frozen=True)
class Number:
    """One score."""

    value: float
    interval: tuple[float, float] | None = None
    kind: str = "label-free"
    remark: str = ""
    """What forbids to take it as it stands."""

    def __str__(self) -> str:
        """``0.712 [0.690, 0.740] (PARTIAL)``."""
        ends = f" [{self.interval[0]:.3f}, {self.interval[1]:.3f}]" if self.interval else ""
        return f"{self.value:.3f}{ends}" + (f" ({self.remark})" if self.remark else "")


@dataclass(frozen=True)
class Bar:
    """A number in a plot."""

    label: str
    number: Number | None
    """None where it was not measured."""


@dataclass
class Part:
    """One table."""

    name: str
    """Of its plot: the protocol, or the benchmark's file."""
    title: str
    about: list[str] = field(default_factory=list)
    cells: dict[tuple[str, str], Number] = field(default_factory=dict)
    """By row and column."""
    columns: list[str] = field(default_factory=list)
    bars: dict[str, list[Bar]] = field(default_factory=dict)
    """By panel."""
    notes: list[str] = field(default_factory=list)
    path: Path | None = None
    """Its file, where it is of a benchmark."""

    @property
    def rows(self) -> list[str]:
        """Floors first."""
        kinds = {row: number.kind for (row, _), number in self.cells.items()}
        return sorted(kinds, key=lambda row: kinds[row] != "floor")


def read(places: Sequence[Path], shortened: Callable[[str], str]) -> tuple[list[Part], list[Path]]:
    """Parts of all files, and those files that have no scores; ``shortened`` is told every command line."""
    reports, parts, without = [], [], []
    for path in (file for place in places for file in files_of(place)):
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            without.append(path)
            continue
        if "command" in content:
            content["command"] = shortened(content["command"])
        if "protocol" in content:
            reports.append(content)
        elif numbers := list(numbers_of(content)):
            parts += [replace(part, path=path) for part in benchmark(path.stem, content, numbers)]
        else:
            without.append(path)
    return [*of_reports(reports), *parts], without


def files_of(place: Path) -> list[Path]:
    """JSON files. Raises ``SystemExit`` for a place that is not there."""
    if not place.exists():
        raise SystemExit(f"{place} is not there")
    return sorted(place.rglob("*.json")) if place.is_dir() else [place]


# Reports of `dinoseg evaluate`.


def of_reports(reports: Sequence[Content]) -> list[Part]:
    """A part for each protocol and set of pictures, in the order of the protocols."""
    groups: dict[tuple[Any, ...], list[Content]] = {}
    for report in sorted(reports, key=lambda x: list(PROTOCOLS).index(x["protocol"])):
        groups.setdefault(tuple(report[key] for key in ("protocol", "dataset", "layout", "split", "every")), []).append(
            report
        )
    return [report_part(group) for group in groups.values()]


def report_part(reports: Sequence[Content]) -> Part:
    """One set of pictures under one protocol: scores by report."""
    first = reports[0]
    thinned = f", 1 in {first['every']}" if first["every"] > 1 else ""
    pictures = f"{first['dataset']} ({first['layout']}), split {first['split']}{thinned}"
    part = Part(first["protocol"], f"{first['protocol']}: {pictures}", [first["definition"]])
    bars: dict[str, Bar] = {}
    for number, report in enumerate(reports, 1):
        column = f"[{number}] {made_with(report)}"
        part.columns.append(f"{column}, FAILED" if report["failed"] and not report["scores"] else column)
        part.notes.append(f"{number}. {facts(report)}")
        remark = "PARTIAL" if report["failed"] else ""
        for score in report["scores"]:
            part.cells[score["name"], column] = number_of(score, remark)
        bars |= bars_of(report, column, remark)
    floors = [bar for bar in bars.values() if bar.number and bar.number.kind == "floor"]
    part.bars[pictures] = [*floors, *(bar for bar in bars.values() if bar not in floors)]
    return part


def made_with(report: Content) -> str:
    """Method and network, as far as there are some."""
    options = report["options"]
    if "predictions" in options and report["size"] is None:
        return f"predictions {Path(str(options['predictions'])).name}"
    model = report["model"] and ("random weights (floor)" if is_untrained(report) else Path(report["model"]).stem)
    smooth = options.get("smooth") and f"smooth {options['smooth']}"
    parts = [options.get("method"), *options.get("param", ()), options.get("refine"), smooth, model]
    return ", ".join(str(part) for part in parts if part) + (f", {report['size']} px" if model else "")


def is_untrained(report: Content) -> bool:
    """Whether it is of a network that was never trained."""
    return str(report["model"]).startswith("random weights")


def bars_of(report: Content, label: str, remark: str) -> dict[str, Bar]:
    """The headline, and the floors that belong to it."""
    if not report["scores"]:
        return {}
    headline = report["scores"][0]
    if is_untrained(report):
        headline = headline | {"kind": "floor"}
    found = {label: Bar(f"{headline['name']}, {label}", number_of(headline, remark))}
    for score in report["scores"][1:]:
        if score["kind"] == "floor" and (score["name"] in FLOORS or first_word(score) == first_word(headline)):
            found[score["name"]] = Bar(score["name"], number_of(score, ""))
    return found


def first_word(score: Content) -> str:
    """What is measured, in the name of a score: ``IoU centred ellipse``, ``top-1, raw pixels``."""
    return str(score["name"]).split()[0].strip(",")


def facts(report: Content) -> str:
    """What a score was made with."""
    counted = f"{report['images']} pictures"
    if report["failed"]:
        names = ", ".join(f"{id_} ({reason})" for id_, reason in report["failed"][:3])
        counted += f", **{len(report['failed'])} failed**: {names}"
    return f"`{report['command']}`; {counted}; {provenance(report)}"


def provenance(content: Content) -> str:
    """Commit, weights, versions."""
    made = [f"commit {content['commit']}"] if content.get("commit") else []
    made += [f"weights sha256 {told}" for told in weights(content)]
    return ", ".join([*made, *(f"{name} {version}" for name, version in content.get("versions", {}).items())])


def weights(content: Content) -> list[str]:
    """Hashes of all networks, with their names where there may be several."""
    known = content.get("sha256") or content.get("networks") or {}
    if isinstance(known, str):
        return [known]
    of_runs = (run.get("sha256") for run in content.get("runs", ()))
    return [*(f"{digest} ({name})" for name, digest in known.items() if digest), *filter(None, dict.fromkeys(of_runs))]


def number_of(score: Mapping[str, Any], remark: str) -> Number:
    """A score as it lies in a report."""
    interval = score.get("interval")
    return Number(score["value"], tuple(interval) if interval else None, score.get("kind", "label-free"), remark)


# Files of the benchmarks.

Found: TypeAlias = "tuple[str, str, str, Number]"
"""Half, row, column and number."""


def numbers_of(content: Content) -> Iterator[Found]:
    """The scores of a benchmark, in the ways that these files have; none where it has none."""
    for value in content.get("values", ()):
        yield from published(value)
    for score in content.get("scores", ()):
        if "value" in score:
            number = number_of(score, "")
            yield score.get("half", ""), score["row"], score["column"], named(number, score["row"], score["column"])
        else:
            row = ", ".join(str(score[key]) for key in ("model", "method", "refine") if score.get(key))
            for column, numbers in score.items():
                if isinstance(numbers, list):
                    number = Number(numbers[0], (numbers[1], numbers[2]) if len(numbers) == 3 else None)
                    chosen = f"ORACLE {column}" if "max F" in column else column  # its threshold
                    yield score.get("half", ""), row, chosen, named(number, row, chosen)


def named(number: Number, row: str, column: str) -> Number:
    """A number whose kind its names tell."""
    if "floor" in row or "random weights" in row or row.endswith(tuple(FLOORS)):
        return replace(number, kind="floor")
    return replace(number, kind="oracle") if "ORACLE" in row + column else number


def published(value: Content) -> Iterator[Found]:
    """What ``published.py`` has of one value: the published and ours, in 0..1."""
    row, column = f"{value['paper']}, {value['model']}", f"{value['data']}, {value['score']}"
    kind = "oracle" if "ORACLE" in value["score"] else "label-free"
    doubt = {"V": "", "S": "secondary source", "U": "unverified"}[value["mark"]]
    yield "", f"{row}: published", column, Number(value["published"] / 100, None, kind, doubt)
    if value["ours"] is not None:
        ends = value["interval"]
        interval = (ends[0] / 100, ends[1] / 100) if ends else None
        remark = "not comparable" if value["obstacles"] else ""
        yield "", f"{row}: ours", column, Number(value["ours"] / 100, interval, kind, remark)


def benchmark(stem: str, content: Content, numbers: Sequence[Found]) -> list[Part]:
    """A part for each half, or protocol; bars of the first, which is the odd one, or of each protocol's headline."""
    parts: dict[str, Part] = {}
    for half, row, column, number in numbers:
        title = f"{stem}, {half} half" if half in ("odd", "even") else f"{stem}, {half}" if half else stem
        part = parts.setdefault(half, Part(stem, title, [x for x in (content.get("table"), content.get("data")) if x]))
        part.cells[row, column] = number
        if column not in part.columns:
            part.columns.append(column)
    first, *others = parts.items()
    for half, part in [first, *others] if first[0] in PROTOCOLS else [first]:
        rows = [row for row in part.rows if row != TRUTH]
        for column in part.columns[:1] if half in PROTOCOLS else part.columns:
            panel = f"{half}: {column}" if half in PROTOCOLS else column
            part.bars[panel] = [Bar(row, part.cells.get((row, column))) for row in rows]
    made = list(parts.values())
    made[-1].notes.append(f"`{content['command']}`; {provenance(content)}")
    return made
