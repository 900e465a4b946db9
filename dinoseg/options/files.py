"""Which files are read, and where results go."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dinoseg.errors import OptionError
from dinoseg.options.declare import WHERE_SET, Flag, Options, require
from dinoseg.options.desk import CutoutOptions

FORMATS = (
    "Any of masks, labels, overlays, cutouts, coco, attention, descriptors, contact-sheet, report; for labelling tools "
    "coco-polygons, yolo, labelme, label-studio, cvat."
)
"""What ``--help`` says of them."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class InputOptions(Options):
    """Which files."""

    from_file: Path | None = None
    """A text file with one path a line, relative to that file."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ShardOptions(Options):
    """Which part of the photographs."""

    shard: str | None = None
    """I/N: only the I-th of N parts, into OUTPUT/shards/I-of-N, for runs beside each other; `dinoseg merge` joins
    them."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OutputOptions(CutoutOptions):
    """Where results go."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder of the results; created if missing."""
    names: Literal["id", "stem"] = field(default="id", metadata=WHERE_SET)
    """Of files: the photograph's name with its extension (`a.jpg.png`), or its stem where no other has it (`a.png`)."""
    formats: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True, help=FORMATS)] = (
        "masks",
        "overlays",
        "coco",
        "contact-sheet",
    )
    """What is written: names of formats, see the page on folders."""
    overwrite: Annotated[bool, Flag] = False
    """Replace the results that are in the folder."""
    json: Annotated[bool, Flag] = False
    """Print one machine-readable summary on stdout."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.wanted:
            raise OptionError("--formats needs at least one format, for instance masks.")
        require(self.names in ("id", "stem"), "--names", self.names, "id or stem")

    @property
    def wanted(self) -> tuple[str, ...]:
        """The formats, and cutouts where an option of theirs is set."""
        return (*self.formats, "cutouts") if self.asks_for_cutouts else self.formats
