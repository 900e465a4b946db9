"""Which network."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from cyclopts import Parameter

from dinoseg.options.declare import FREE, Flag, Options, Whole, require

MAX_PIXELS = 178_956_970
"""Larger images are refused unless more is asked for: a 178 megapixel image takes half a GiB."""
WIDEST = 1e30
"""Of the values in pictures that are read: their difference is within 32-bit floats."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """Which network, at which size, on which device."""

    model: str = "builtin"
    """A name of `dinoseg models`, or the path of a weight file."""
    heads: Whole | None = None
    """Attention heads, where the weight file does not say (default: width / 64)."""
    size: Whole | None = None
    """Long side in px (default: 32 patches); never more than twice the photograph."""
    value_range: tuple[float, float] | None = None
    """LOW HIGH: values that are black and white in all pictures of more than 8 bit (default: each picture's own)."""
    mean: tuple[float, float, float] | None = None
    """R G B in 0..1, taken out of pixels (default: as the file or a config.json beside it says, else ImageNet's)."""
    std: tuple[float, float, float] | None = None
    """R G B, deviation by which pixels are divided (default: likewise)."""
    positions: Literal["family", "timm"] = "family"
    """Resize the position table as the network's own program does, or as timm does."""
    runtime: Literal["auto", "torch", "openvino"] = field(default="auto", metadata=FREE)
    """What runs the network: auto takes OpenVINO for exported networks and, on a CPU, for the built-in."""
    device: str = field(default="auto", metadata=FREE)
    """auto, cpu, cuda, cuda:1 or mps."""
    batch: Whole | None = field(default=None, metadata=FREE)
    """Images per forward pass (default: 1 on a CPU, 32 on a GPU)."""
    offline: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Never use the network."""
    max_pixels: Whole = field(default=MAX_PIXELS, metadata=FREE)
    """Refuse larger images (width x height)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.heads is None or self.heads >= 1, "--heads", self.heads, "1 or more")
        require(self.size is None or 16 <= self.size <= 8192, "--size", self.size, "16..8192 px")
        low, high = self.value_range or (0, 1)
        fine = -WIDEST <= low < high <= WIDEST
        require(fine, "--value-range", f"{low:g} {high:g}", f"two numbers within {WIDEST:g}, the lower first")
        require(all(0 <= x <= 1 for x in self.mean or ()), "--mean", self.mean, "three numbers in 0..1")
        require(all(0 < x <= 1 for x in self.std or ()), "--std", self.std, "three numbers above 0 and up to 1")
        require(self.batch is None or 1 <= self.batch <= 4096, "--batch", self.batch, "1..4096")
        require(self.max_pixels >= 1, "--max-pixels", self.max_pixels, "1 or more")
