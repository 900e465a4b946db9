"""How a network is made smaller."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dinoseg.errors import OptionError
from dinoseg.options.declare import FREE, Flag, Options, Whole, require

MOST = 10_000_000
"""Crops: months of one machine."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CompressOptions(Options):
    """Prune the MLP neurons in closed form, heal by distillation, store as int8."""

    output: Annotated[Path, Parameter(alias="-o")] = field(metadata=FREE)
    """The file to write (.safetensors); progress is kept beside it in FILE.work/."""
    patch: Whole = 10
    """px per patch of the student."""
    neurons: Whole = 384
    """MLP neurons kept per block."""
    calibration_crops: Whole = 1024
    """Crops from which the pruning is solved."""
    heal_crops: Whole = 5000
    """Crops of distillation afterwards, twice: towards the teacher, and towards the object it attends to (0: none)."""
    batch: Whole = 24
    """Crops per healing step; of those larger than --grid fewer."""
    lr: float = 2e-5
    """Peak learning rate of healing."""
    grid: Whole = 16
    """Patches per side of the smallest crops, in teacher and student."""
    store: Literal["int8", "float16"] = field(default="int8", metadata=FREE)
    """How matrices are stored."""
    heads: Whole | None = None
    """Attention heads of the teacher, where its file does not say."""
    device: str = field(default="auto", metadata=FREE)
    """auto, cpu, cuda, cuda:1 or mps."""
    seed: Whole = 0
    """Of the crops."""
    offline: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Never use the network."""
    resume: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Go on from what is in FILE.work/."""
    overwrite: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Replace the file if it is there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(4 <= self.patch <= 64, "--patch", self.patch, "4..64 px")
        require(self.neurons >= 1, "--neurons", self.neurons, "1 or more")
        require(1 <= self.calibration_crops <= MOST, "--calibration-crops", self.calibration_crops, f"1..{MOST}")
        require(0 <= self.heal_crops <= MOST, "--heal-crops", self.heal_crops, f"0..{MOST}")
        require(self.batch >= 1, "--batch", self.batch, "1 or more")
        require(0 < self.lr <= 1, "--lr", self.lr, "above 0, at most 1")
        require(2 <= self.grid <= 64, "--grid", self.grid, "2..64 patches")
        require(self.heads is None or self.heads >= 1, "--heads", self.heads, "1 or more")
        require(self.seed >= 0, "--seed", self.seed, "0 or more")
        if self.resume and self.overwrite:
            raise OptionError("--resume goes on with what is there, --overwrite starts anew: pass one of them.")
