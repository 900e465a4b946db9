"""How a network is exported."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dinoseg.options.declare import FREE, Flag, Options, Whole, require


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ExportOptions(Options):
    """What of a network goes into the file, and in which precision."""

    output: Annotated[Path, Parameter(alias="-o")] = field(metadata=FREE)
    """The file to write (.onnx)."""
    int8: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = ()
    """Photographs, folders or globs by which matrices become integers (default: float32)."""
    facets: Annotated[
        tuple[Literal["query", "key", "value", "token"], ...], Parameter(negative="", consume_multiple=True)
    ] = ("query", "key", "value", "token")
    """Patch features that it gives beside CLS attention and the CLS token."""
    layers: Annotated[tuple[Whole, ...], Parameter(negative="", consume_multiple=True)] = ()
    """Layers, counted from 1, whose CLS attention it gives beside that of the last."""
    size: Whole | None = None
    """Long side in px of the photographs of --int8 (default: 32 patches)."""
    photographs: Whole = 120
    """How many of them are looked at, evenly spread over all."""
    heads: Whole | None = None
    """Attention heads, where the weight file does not say."""
    positions: Literal["family", "timm"] = "family"
    """Resize the position table as the network's own program does, or as timm does."""
    offline: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Never use the network."""
    overwrite: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Replace the file if it is there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.output.suffix == ".onnx", "--output", self.output, "a file name that ends with .onnx")
        require(self.size is None or 16 <= self.size <= 8192, "--size", self.size, "16..8192 px")
        require(self.photographs >= 1, "--photographs", self.photographs, "1 or more")
        require(self.heads is None or self.heads >= 1, "--heads", self.heads, "1 or more")
