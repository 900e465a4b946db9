"""Two reports over the same pictures: what the second is better by, and how sure that is."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dinoseg.errors import DatasetError
from dinoseg.evaluation.aggregate import names_of, per_unit
from dinoseg.evaluation.metrics.resampling import paired_bootstrap
from dinoseg.evaluation.report import COLUMNS, Report, Row
from dinoseg.images.text import open_text


@dataclass(frozen=True, slots=True)
class Difference:
    """One value, second less first."""

    name: str
    value: float
    """Mean over units."""
    interval: tuple[float, float] | None
    """95 %, by drawing the pairs again; none for one pair."""
    units: int
    unit: str
    """Images, or sequences of videos."""


def compare(first: Report | str | Path, second: Report | str | Path) -> list[Difference]:
    """Second less first, for every value that both have of the same pictures; paired bootstrap (Efron 1979).

    A report, or the folder in which one was saved. Raises ``DatasetError`` when they are not of the same pictures, or
    have no value of single pictures in common (AP and mIoU are over a whole data set).
    """
    left, right = ({row.id: row for row in measured_rows(report)} for report in (first, second))
    lacking = sorted(left.keys() ^ right.keys())
    if lacking or not left:
        why = f"{len(lacking)} are in one of them only, for instance {lacking[0]}" if lacking else "there are none"
        raise DatasetError(f"the reports are not of the same scored pictures ({why}): use one --split and --every.")
    names = [name for name in names_of(left.values()) if name in names_of(right.values())]
    if not names:
        raise DatasetError("the reports have no value of single pictures in common: is it one protocol, and which?")
    return [difference(name, left, right) for name in names]


def difference(name: str, left: dict[str, Row[object]], right: dict[str, Row[object]]) -> Difference:
    """Of one value over the pictures for which both have it."""
    pairs = [(row, right[id_]) for id_, row in left.items() if name in row.values and name in right[id_].values]
    before, unit = per_unit([a for a, _ in pairs], lambda row: row.values[name])
    after, _ = per_unit([b for _, b in pairs], lambda row: row.values[name])
    interval = paired_bootstrap(before, after) if len(before) > 1 else None
    return Difference(name, float(np.mean(after - before)), interval, len(before), unit)


def measured_rows(report: Report | str | Path) -> Sequence[Row[object]]:
    """What was measured on single pictures."""
    return report.rows if isinstance(report, Report) else read_rows(Path(report) / "scores.csv")


def read_rows(path: Path) -> list[Row[None]]:
    """The scored pictures of a ``scores.csv``. Raises ``DatasetError`` for another file, or none."""
    if not path.is_file():
        raise DatasetError(
            f"{path} is not there: name a folder that `dinoseg evaluate PROTOCOL DATA --output FOLDER` has filled."
        )
    try:
        with open_text(path) as file:
            lines = [line for line in csv.DictReader(file) if line["status"] == "scored"]
        return [
            Row(
                line["id"],
                {x: float(y) for x, y in line.items() if x not in COLUMNS and y},
                line["sequence"],
                evidence=None,
            )
            for line in lines
        ]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise DatasetError(
            f"{path} cannot be read as scores of a report ({error}): make it again with `dinoseg evaluate`."
        ) from error


def to_markdown(differences: Sequence[Difference]) -> str:
    """A table; an interval that holds 0 says that these pictures do not tell the two apart."""
    lines = ["| score | second - first | 95 % interval | mean over |", "| --- | --- | --- | --- |"]
    for x in differences:
        interval = f"{x.interval[0]:+.3f} .. {x.interval[1]:+.3f}" if x.interval else "-"
        lines.append(f"| {x.name} | {x.value:+.3f} | {interval} | {x.units} {x.unit} |")
    return "\n".join(lines)
