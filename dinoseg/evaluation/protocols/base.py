"""What a protocol is: the one interface of those that score masks and of those that score features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from dinoseg.evaluation import Progress
from dinoseg.evaluation.datasets import Data
from dinoseg.evaluation.report import Row, Score, Subject
from dinoseg.evaluation.resume import RowJournal
from dinoseg.options import EvaluateOptions

Figures: TypeAlias = Callable[[], dict[str, bytes]]
"""Draws the pictures of a report, by file name."""


class Protocol(ABC):
    """A named way to measure; one class in a file, and its line in ``dinoseg.evaluation.PROTOCOLS``."""

    name: ClassVar[str]
    definition: ClassVar[str]
    """What is compared, how it is averaged, and who defined it; printed with every score."""
    figures: ClassVar[tuple[str, ...]] = ()
    """Files of its report beside those of every report."""

    @abstractmethod
    def check(self, data: Data, options: EvaluateOptions) -> None:
        """Raise ``OptionError`` for what only other protocols understand."""

    @abstractmethod
    def open(self, data: Data, options: EvaluateOptions) -> Evaluation:
        """Open the data, and what is scored. Raises ``DatasetError``, ``OptionError`` and ``WeightsError``."""


class Evaluation(ABC):
    """A protocol on one data set, with everything loaded that it needs."""

    data: DataSummary
    subject: Subject
    keeps_rows: bool = False
    """Whether an evaluation that was stopped goes on with the rows that it has measured."""

    @abstractmethod
    def measure(self, journal: RowJournal, progress: Progress) -> Outcome:
        """Measure every picture. Raises ``DatasetError`` for a truth that is broken."""


@dataclass(frozen=True, slots=True)
class DataSummary:
    """What a report says of the data."""

    name: str
    layout: str
    foreground: str
    """What counts as foreground, what as void, and where boxes come from; or ``WHOLE_PICTURES``."""
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The rows and scores of one evaluation."""

    rows: Sequence[Row[object]]
    """Of the pictures that could be scored, in order."""
    failed: Sequence[tuple[str, str]]
    """Id and reason of the others."""
    conclude: Callable[[], Sequence[Score]]
    """The scores, the headline first; not asked for where pictures failed and no partial report is wanted."""
    figures: Figures = dict
