"""What a protocol is, and how the values of single pictures become the scores of a report."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dinoseg.evaluation.datasets.base import Sample, Truth
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.metrics.resampling import bootstrap
from dinoseg.evaluation.report import Kind, Row, Score
from dinoseg.options import EvaluateOptions
from dinoseg.types import Segmentation

if TYPE_CHECKING:
    from dinoseg.evaluation.predictions.base import Predicted

ORACLE = "ORACLE"
"""First word of every value for which the ground truth chose something."""


def means(rows: Sequence[Row]) -> list[Score]:
    """Each measured value over the rows, in the order of measurement."""
    return [mean_of(name, rows) for name in names_of(rows)]


class Maker(typing.Protocol):
    """What makes or reads predictions."""

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Predicted | str]:
        """The prediction for each picture, or why there is none."""

    def facts(self) -> dict[str, Any]:
        """The part of the report that says what was scored."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """A named way to measure."""

    definition: str
    """What is compared, how it is averaged, and who defined it; printed with every score."""
    measure: Callable[[Truth, Segmentation], dict[str, float]]
    """Values of one picture by name; none where the picture has nothing to measure."""
    conclude: Callable[[Sequence[Row]], list[Score]] = means
    """The report's scores, the headline first."""
    method: str | None = None
    """The method it needs, where it does not take any."""
    collect: Callable[[Truth, Segmentation], Any] = lambda truth, result: None  # noqa: ARG005
    """What ``conclude`` needs of one picture beside its values (``Row.evidence``), for scores that are no means.

    Numbers, text, bytes, arrays and lists of these: an evaluation that goes on has them from ``rows.jsonl``, where a
    tuple has become a list.
    """
    takes_boxes: bool = False
    """Whether boxes, annotated or predicted, are enough for it."""
    lasting_labels: bool = False
    """Whether an object's label must say the same in every picture: COCO's json has no such labels."""
    needs_videos: bool = False
    """Whether pictures must be frames of videos, whose objects keep their numbers."""
    takes_smoothing: bool = False
    """Whether the masks of frames may be averaged over time (``--smooth``)."""
    maker: Callable[[EvaluateOptions, Protocol, str], Maker] | None = None
    """What makes the predictions, where it is not the road; called with the options, the protocol and its name."""


def mean_of(name: str, rows: Iterable[Row]) -> Score:
    """One value over the images that have it; over the frames of a video first, then over the videos."""
    values, unit = per_unit([row for row in rows if name in row.values], lambda row: row.values[name])
    return score(name, values, unit)


def per_unit(
    rows: Iterable[Row], value: Callable[[Row], float | NDArray[np.float64]]
) -> tuple[NDArray[np.float64], str]:
    """A value ``(...)`` of each thing that counts as independent, ``(units, ...)``, and what these things are."""
    groups, unit = units_of(rows)
    averages = [np.mean(np.array([value(row) for row in group], np.float64), axis=0) for group in groups]
    return np.array(averages, np.float64), unit


def units_of(rows: Iterable[Row]) -> tuple[list[list[Row]], str]:
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


def names_of(rows: Iterable[Row]) -> list[str]:
    """Names of all values, in the order of measurement."""
    return list(dict.fromkeys(name for row in rows for name in row.values))


def by_sequence(rows: Iterable[Row]) -> list[list[Row]]:
    """Frames by video, in order."""
    videos: dict[str, list[Row]] = {}
    for row in rows:
        videos.setdefault(row.sequence, []).append(row)
    return list(videos.values())
