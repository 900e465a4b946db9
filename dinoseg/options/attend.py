"""Which attention is looked at."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dinoseg.errors import OptionError
from dinoseg.options.declare import Flag, Options, Whole, require
from dinoseg.options.model import ModelOptions

FIGURE_DPI = 110
"""Pixels an inch of figures that are asked for no other."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AttendOptions(ModelOptions):
    """Which attention is looked at."""

    query: tuple[Whole, Whole] | None = None
    """X Y in px of the upright image: attention of that patch instead of CLS."""
    layer: Whole | None = None
    """1..depth (default: the last)."""
    rollout: Annotated[bool, Flag] = False
    """Attention rolled out over all layers (Abnar and Zuidema 2020)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.layer is None or self.layer >= 1, "--layer", self.layer, "1..depth")
        if self.rollout and (self.layer is not None or self.query is not None):
            raise OptionError("--rollout goes over all layers from CLS: leave out --layer and --query.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LikeOptions(Options):
    """Which patch is compared with all, instead of attention."""

    like: tuple[Whole, Whole] | None = None
    """X Y in px of the upright image: how like each patch is to that one (cosine), instead of attention."""
    among: Annotated[tuple[str, ...], Parameter(name="--in", negative="", consume_multiple=True)] = ()
    """Files, folders and globs to compare with that patch of the one image."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.among and self.like is None:
            raise OptionError("--in shows where others are like a patch: name it with --like X Y.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FigureOptions(Options):
    """Where figures go, and in which form."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder of the results; created if missing."""
    format: Literal["png", "pdf"] = "png"
    """Of the figures; letters and outlines of a PDF are lines."""
    dpi: Whole = FIGURE_DPI
    """Pixels an inch of the pictures, 30..1200: a figure is about 10 inches wide."""
    arrays: Annotated[bool, Flag] = False
    """Write the maps as .npz beside each figure."""
    overwrite: Annotated[bool, Flag] = False
    """Replace the figures that are in the folder."""
    json: Annotated[bool, Flag] = False
    """Print one machine-readable summary on stdout."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(30 <= self.dpi <= 1200, "--dpi", self.dpi, "30..1200")
