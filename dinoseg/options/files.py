"""Which files are read, and where results go."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dinoseg.errors import OptionError
from dinoseg.options.declare import Flag, Options


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class InputOptions(Options):
    """Which files."""

    from_file: Path | None = None
    """A text file with one path a line, relative to that file."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OutputOptions(Options):
    """Where results go."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder of the results; created if missing."""
    formats: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = (
        "masks",
        "overlays",
        "coco",
        "contact-sheet",
    )
    """Any of masks, labels, overlays, cutouts, coco, attention, descriptors, contact-sheet; for labelling tools
    coco-polygons, yolo, labelme, label-studio, cvat."""
    background: str | None = None
    """What cut-outs stand on: a colour, an image file or `blur` (default: transparent); asks for cutouts."""
    overwrite: Annotated[bool, Flag] = False
    """Replace the results that are in the folder."""
    json: Annotated[bool, Flag] = False
    """Print one machine-readable summary on stdout."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.wanted:
            raise OptionError("--formats needs at least one format, for instance masks.")

    @property
    def wanted(self) -> tuple[str, ...]:
        """The formats, and cutouts where a background is named."""
        return self.formats if self.background is None else (*self.formats, "cutouts")
