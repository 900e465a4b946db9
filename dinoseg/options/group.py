"""How objects are grouped."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dinoseg.options.declare import FREE, Flag, Whole, require
from dinoseg.options.segment import SegmentOptions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class GroupOptions(SegmentOptions):
    """How objects are found and grouped, and where results go."""

    output: Annotated[Path, Parameter(alias="-o")] = field(metadata=FREE)
    """Folder of the results; created if missing."""
    clusters: Whole | None = None
    """How many groups (default: of 1..30 what fits best, by BIC, which is no count of classes)."""
    overwrite: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Replace the results that are in the folder."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.clusters is None or 2 <= self.clusters <= 254, "--clusters", self.clusters, "2..254")
