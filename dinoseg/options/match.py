"""How objects of two photographs are matched."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dinoseg.errors import OptionError
from dinoseg.options.declare import Flag, Options, Whole, require
from dinoseg.options.segment import SegmentOptions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MatchOptions(SegmentOptions):
    """How objects are found, and how many of their patches are paired."""

    pairs: Whole = 10
    """Pairs at most, spread over what the objects consist of (0: all that there are)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.pairs >= 0, "--pairs", self.pairs, "0 or more")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PictureOptions(Options):
    """Where one picture goes."""

    output: Annotated[Path, Parameter(alias="-o")]
    """The picture to write (.png), with its numbers beside it (.json)."""
    overwrite: Annotated[bool, Flag] = False
    """Replace the two files if they are there."""
    json: Annotated[bool, Flag] = False
    """Print the numbers on stdout."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output.suffix.lower() != ".png":
            raise OptionError(f"--output {self.output} must end in .png: the picture is one.")
