"""From the values of single pictures to the scores of a report: means over images or videos, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.metrics.resampling import bootstrap
from dinoseg.evaluation.report import Kind, Row, Score

E = TypeVar("E")
ORACLE = "ORACLE"
"""First word of every value for which the ground truth chose something."""


def means(rows: Sequence[Row[object]]) -> list[Score]:
    """Each measured value over the rows, in the order of measurement."""
    return [mean_of(name, rows) for name in names_of(rows)]


def mean_of(name: str, rows: Iterable[Row[object]]) -> Score:
    """One value over the images that have it; over the frames of a video first, then over the videos."""
    values, unit = per_unit([row for row in rows if name in row.values], lambda row: row.values[name])
    return score(name, values, unit)


def per_unit(
    rows: Iterable[Row[E]], value: Callable[[Row[E]], float | NDArray[np.float64]]
) -> tuple[NDArray[np.float64], str]:
    """A value ``(...)`` of each thing that counts as independent, ``(units, ...)``, and what these things are."""
    groups, unit = units_of(rows)
    averages = [np.mean(np.array([value(row) for row in group], np.float64), axis=0) for group in groups]
    return np.array(averages, np.float64), unit


def units_of(rows: Iterable[Row[E]]) -> tuple[list[list[Row[E]]], str]:
    """Rows by what counts as independent: the images, or the videos where there are some; and its name."""
    rows = list(rows)
    if any(row.sequence for row in rows):
        return by_sequence(rows), "sequences"
    return [[row] for row in rows], "images"


def score(name: str, values: Sequence[float] | NDArray[np.float64], unit: str) -> Score:
    """Mean and bootstrap interval over units that are taken as independent."""
    interval = bootstrap(values) if len(values) > 1 else None
    return Score(name, float(np.mean(values)), interval, len(values), unit, kind_of(name))


def kind_of(name: str) -> Kind:
    """What a value's name says about it."""
    if name.startswith(ORACLE):
        return "oracle"
    return "floor" if name.endswith(tuple(FLOORS)) else "label-free"


def names_of(rows: Iterable[Row[object]]) -> list[str]:
    """Names of all values, in the order of measurement."""
    return list(dict.fromkeys(name for row in rows for name in row.values))


def by_sequence(rows: Iterable[Row[E]]) -> list[list[Row[E]]]:
    """Frames by video, in order."""
    videos: dict[str, list[Row[E]]] = {}
    for row in rows:
        videos.setdefault(row.sequence, []).append(row)
    return list(videos.values())
