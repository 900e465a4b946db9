"""How a video's masks are made to agree from frame to frame."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from dinoseg.errors import OptionError
from dinoseg.options.declare import Flag, Options, Whole, require
from dinoseg.options.segment import SegmentOptions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SmoothOptions(Options):
    """How a video's masks are made to agree from frame to frame."""

    reach: Whole = 6
    """Of videos: frames before and after whose masks are looked at (0: every frame by itself)."""
    keep_still: Annotated[bool, Flag] = False
    """Of videos: do not doubt what stands still in an object that moves."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.reach <= 100, "--reach", self.reach, "0..100 frames")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class VideoOptions(SmoothOptions, SegmentOptions):
    """How the objects of a video are found."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.parts:
            raise OptionError("--parts counts the pieces of each frame anew: leave it out for a video.")
