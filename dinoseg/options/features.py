"""Which features are written, and where they go."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dinoseg.options.declare import FREE, Flag, Options, Whole, require
from dinoseg.options.files import OutputOptions
from dinoseg.options.model import ModelOptions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FeatureOptions(ModelOptions):
    """Which features."""

    facet: Literal["token", "key", "query", "value"] = "token"
    """Of the patches: tokens, or what the attention of the layer multiplies."""
    layer: Whole | None = None
    """1..depth (default: the last); tokens of any layer pass the final norm."""
    dtype: Literal["float16", "float32"] = "float16"
    """Of the patches' features."""
    runtime: Literal["auto", "torch", "openvino"] = field(default="torch", metadata=FREE)
    """torch, which alone gives any layer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.layer is None or self.layer >= 1, "--layer", self.layer, "1..depth")
        require(self.runtime != "openvino", "--runtime", self.runtime, "torch for features")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FeatureFileOptions(Options):
    """Where features go."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder of the results; created if missing."""
    formats: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = ("patches", "embedding")
    """Any of patches, embedding, objects (arrays), parquet (all embeddings in one file), pca (pictures)."""
    overwrite: Annotated[bool, Flag] = False
    """Replace the results that are in the folder."""
    json: Annotated[bool, Flag] = False
    """Print one machine-readable summary on stdout."""

    def folder(self, formats: tuple[str, ...]) -> OutputOptions:
        """The same of a folder of results, with other formats."""
        return OutputOptions(output=self.output, formats=formats, overwrite=self.overwrite)
