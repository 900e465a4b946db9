"""Scores with everything that is needed to trust and repeat them."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from dinoseg.atomic import atomic_write
from dinoseg.errors import OutputConflict
from dinoseg.places import check_folder
from dinoseg.strict_json import plain

WITHHELD = "**No score**: pictures failed. `--partial` gives scores over the others, labelled as partial."
NOTHING = "**No score**: no picture could be scored."
REPORT = "report.json"
"""Written last: where it is, the others are whole and of the same evaluation."""
FILES = (REPORT, "report.md", "scores.csv")
UNFINISHED = "rows.jsonl"
"""There while an evaluation is not done (``resume``): other files beside it are of one that was killed."""
COLUMNS = ("id", "status", "sequence", "classes", "predicted")
"""Of scores.csv, before the values."""

WHOLE_PICTURES = "whole pictures"
"""The foreground of protocols in which no mask occurs."""

Kind = Literal["label-free", "labelled", "oracle", "floor", "semi-supervised"]


E_co = TypeVar("E_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Row(Generic[E_co]):
    """What was measured on one picture."""

    id: str
    values: dict[str, float]
    """0..1 by name."""
    sequence: str = ""
    classes: tuple[str, ...] = ()
    predicted: str = ""
    """The class that was found, where one is looked for."""
    exif: tuple[str, ...] = ()
    """``pictures`` where EXIF turns the picture, ``truth`` and ``predictions`` that were turned with it, ``untold``
    where sizes do not tell in which frame they are."""
    evidence: E_co = field(kw_only=True)
    """What a score over the whole data set needs of this picture (``MaskProtocol.evidence``); in no report."""


@dataclass(frozen=True, slots=True)
class Score:
    """One number over the data set."""

    name: str
    value: float
    """0..1, but for a decay."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval over images or sequences; none for fewer than two."""
    units: int
    """How many things were averaged, and which: images or sequences or classes."""
    unit: str
    kind: Kind
    """Whether labels of other pictures were learned from (labelled) or a video's first mask was given
    (semi-supervised), whether the ground truth chose anything (oracle), and whether it is what any network must beat
    (floor)."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is scored: a network with a method, or masks that lie in files."""

    model: str | None
    """Name or file of the network; None for a method that needs none, and for masks in files."""
    sha256: str | None
    """Of the weights."""
    device: str
    size: int | None
    """Long side in px at which it works; None for masks in files."""
    options: dict[str, Any]
    """What decided the masks or features, as the report has it."""
    lines: tuple[str, ...]
    """The same for people, lines of a Markdown list."""
    head: str | None = None
    """SHA-256 of the segmentation head, where the method is one."""


@dataclass(frozen=True, slots=True)
class Report:
    """The scores of one evaluation, with everything that is needed to trust and repeat them."""

    protocol: str
    definition: str
    """What is compared, how it is averaged, and who defined it."""
    dataset: str
    layout: str
    foreground: str
    """What counts as foreground, what as void, and where boxes come from."""
    split: str
    every: int
    images: int
    """Pictures that were scored."""
    failed: tuple[tuple[str, str], ...]
    """Id and reason of those that were not, missing files among them."""
    scores: tuple[Score, ...]
    """The headline first; empty when pictures failed, unless a partial report was asked for."""
    absent: tuple[str, ...]
    """Classes of the data set that no scored picture contains; they are in no mean."""
    rows: tuple[Row[object], ...]
    model: str | None
    """Network, or none for a method that needs none."""
    sha256: str | None
    """Of the weights."""
    device: str
    size: int | None
    """Long side in px at which it worked (at most twice the photograph's); none for predictions from files."""
    options: dict[str, Any]
    command: str
    commit: str | None
    """Of dinoseg, where it is known (``checkout``)."""
    seed: int
    """Of all that is drawn; a method's own seed is among the options."""
    versions: dict[str, str]
    seconds: float
    exif: dict[str, int] = field(default_factory=dict, kw_only=True)
    """How many rows say what in ``Row.exif``."""
    subject: tuple[str, ...] = field(default=(), kw_only=True)
    """``Subject.lines``, for the page."""

    @property
    def headline(self) -> Score | None:
        """The protocol's number; none when pictures failed and no partial report was asked for."""
        return self.scores[0] if self.scores else None

    def to_json(self) -> dict[str, Any]:
        """Everything but the rows and what repeats the options for people, as JSON has it."""
        everything = asdict(replace(self, rows=()))
        return {key: plain(value) for key, value in everything.items() if key not in ("rows", "subject")}

    def to_markdown(self) -> str:
        """The report as a page."""
        listed = self.images + len(self.failed)
        failed = ", ".join(f"{one_line(id_)} ({reason})" for id_, reason in self.failed[:10])
        lines = [
            f"# {self.protocol}: {self.dataset}\n",
            f"{self.definition}\n",
            *self.about(),
            *([f"- **{len(self.failed)} of {listed} pictures could not be scored**: {failed}"] if self.failed else []),
            *([f"- in no picture, so in no mean: {', '.join(map(one_line, self.absent))}"] if self.absent else []),
            f"\n{table(self.scores) if self.scores else WITHHELD if self.images else NOTHING}",
            *(["\n**Partial**: the pictures named above are left out."] if self.scores and self.failed else []),
            f"\n    {self.command}\n",
            ", ".join(self.made_with()) + f"; {self.seconds:.0f} s",
        ]
        return "\n".join(lines) + "\n"

    def about(self) -> list[str]:
        """What was measured on what, one line each."""
        thinned = f", 1 in {self.every}" if self.every > 1 else ""
        foreground = [] if self.foreground == WHOLE_PICTURES else [f"- foreground: {self.foreground}"]
        return [
            f"- data: {self.dataset} ({self.layout}), split {self.split}{thinned}: {self.images} pictures scored",
            *foreground,
            *self.turned(),
            *self.subject,
        ]

    def turned(self) -> list[str]:
        """How many pictures EXIF turns, where it does."""
        if not self.exif:
            return []
        count, truth, predictions, untold = (
            self.exif.get(x, 0) for x in ("pictures", "truth", "predictions", "untold")
        )
        unclear = f"; **of {untold} the sizes do not tell in which frame it is**: see --stored-frame" if untold else ""
        return [
            f"- EXIF turns {count} pictures, and with them the truth of {truth}, predictions of {predictions}{unclear}"
        ]

    def made_with(self) -> list[str]:
        """Packages and their versions, the commit where it is known, the seed."""
        packages = [f"{name} {version}" for name, version in self.versions.items()]
        commit = [] if self.commit is None else [f"commit {self.commit}"]
        return [*packages, *commit, f"seed {self.seed}"]

    def to_csv(self) -> str:
        """Values by picture, those that failed included."""
        names = list(dict.fromkeys(name for row in self.rows for name in row.values))
        lines = [[*COLUMNS, *names]]
        for row in self.rows:
            values = [str(row.values.get(name, "")) for name in names]
            lines.append([row.id, "scored", row.sequence, " ".join(row.classes), row.predicted, *values])
        lines += [[id_, reason, "", "", "", *[""] * len(names)] for id_, reason in self.failed]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(map(harmless, line) for line in lines)
        return text.getvalue()

    def save(self, directory: str | Path, pictures: Mapping[str, bytes] | None = None) -> list[Path]:
        """Write scores.csv, report.md, pictures by name, and last report.json; returns their paths."""
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        page = json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n"
        contents = {
            "scores.csv": self.to_csv().encode("utf-8", "backslashreplace"),
            "report.md": self.to_markdown().encode("utf-8", "backslashreplace"),
            **(pictures or {}),
            REPORT: page.encode(),
        }
        (folder / REPORT).unlink(missing_ok=True)
        for name, content in contents.items():
            with atomic_write(folder / name) as file:
                file.write(content)
        return [folder / name for name in contents]


def check_place(directory: Path, overwrite: bool, files: Sequence[str] = FILES) -> None:
    """Raise ``OutputConflict`` before anything is measured: when the folder holds a report, or cannot hold one.

    What an evaluation that was killed has written is no report.
    """
    check_folder(directory)
    unfinished = (directory / UNFINISHED).exists() and not (directory / REPORT).exists()
    for name in () if overwrite or unfinished else files:
        if (directory / name).exists():
            raise OutputConflict(f"{directory / name} is there already: name another folder, or pass --overwrite.")


def table(scores: Sequence[Score]) -> str:
    """Scores as a Markdown table."""
    lines = ["| score | value | 95 % interval | mean over | kind |", "| --- | --- | --- | --- | --- |"]
    for score in scores:
        interval = f"{score.interval[0]:.3f} .. {score.interval[1]:.3f}" if score.interval else "-"
        lines.append(
            f"| {one_line(score.name)} | {score.value:.3f} | {interval} | {score.units} {score.unit} | {score.kind} |"
        )
    return "\n".join(lines)


def one_line(text: str) -> str:
    """Foreign text on one line of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def harmless(text: str) -> str:
    """Foreign text that a spreadsheet must not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def versions() -> dict[str, str]:
    """Of what a score can depend on."""
    packages = ("dinoseg", "torch", "timm", "numpy", "cv2", "PIL")
    return {"python": platform.python_version(), **{name: import_module(name).__version__ for name in packages}}
