"""How objects are found."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from dinoseg.options.declare import Items, require
from dinoseg.options.model import ModelOptions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SegmentOptions(ModelOptions):
    """How objects are found."""

    method: str = "attention-cut"
    """A name of `dinoseg methods`."""
    param: Annotated[tuple[str, ...], Items] = ()
    """A parameter of the method, `name=value`; may be repeated (see `dinoseg methods NAME`)."""
    refine: str = "guided"
    """How masks are fitted to the image's edges: guided (filter), bilateral (solver), crf (dense CRF) or none."""
    min_presence: float = 0.0
    """No mask where the probability of an object, 0..1, is below this (default: never; 0.3 is careful)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.min_presence <= 1, "--min-presence", self.min_presence, "0..1")
