"""How a head is trained on a network that stays as it is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dinoseg.errors import OptionError
from dinoseg.options.declare import FREE, Flag, Whole, require
from dinoseg.options.model import ModelOptions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrainHeadOptions(ModelOptions):
    """Self-training on a frozen network: its features, masks of `attention-cut`, a small network between them."""

    output: Annotated[Path, Parameter(alias="-o")] = field(metadata=FREE)
    """The file to write (.safetensors)."""
    labels: Path | None = None
    """Folder of masks of some of the photographs, of their size and name (cat.png or cat.jpg.png); they count more."""
    stored_frame: Annotated[bool, Flag] = False
    """Labels are in the frame before EXIF turns the photographs, where sizes do not tell (180 degrees, squares)."""
    photographs: Whole = 500
    """Learn from so many at most, drawn at random; they are held in memory (1.5 MB each for the built-in model)."""
    epochs: Whole | None = None
    """Passes over the photographs (default: 5, more where they are few)."""
    seed: Whole = 0
    """Of the choice of photographs and their order."""
    overwrite: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Replace the file if it is there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stored_frame and not self.labels:
            raise OptionError("--stored-frame is of --labels: name their folder.")
        require(self.photographs >= 1, "--photographs", self.photographs, "1 or more")
        require(self.epochs is None or 1 <= self.epochs <= 1_000_000, "--epochs", self.epochs, "1..1000000")
        require(self.seed >= 0, "--seed", self.seed, "0 or more")
