"""How objects are followed through a video."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dinoseg.errors import OptionError
from dinoseg.options.declare import Flag, Options, Whole, require
from dinoseg.options.files import OutputOptions
from dinoseg.options.segment import SegmentOptions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PropagateOptions(Options):
    """How labels go from frame to frame; the defaults are those of DINO's video evaluation (Caron et al. 2021)."""

    context: Whole = 7
    """Frames before the present one in which a patch's like is sought, besides the first."""
    radius: Whole = 12
    """Patches up, down and sideways as far as it is sought (0: everywhere)."""
    neighbours: Whole = 5
    """Patches, over all these frames, that give their labels."""
    temperature: float = 0.1
    """Of exp(cosine / temperature), the weight of a patch."""
    normalise: Literal["dino-video", "imagenet"] = "dino-video"
    """Deviation of red: 0.228 as in DINO's video program, or ImageNet's 0.229 as everywhere else."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.context <= 100, "--context", self.context, "0..100 frames")
        require(self.radius >= 0, "--radius", self.radius, "0 or more patches")
        require(self.neighbours >= 1, "--neighbours", self.neighbours, "1 or more")
        require(1e-3 <= self.temperature <= 1e3, "--temperature", self.temperature, "0.001..1000")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrackOptions(PropagateOptions, SegmentOptions):
    """Which objects are followed through a video, and how."""

    mask: Path | None = None
    """Mask of the first frame, of its size: objects by number, or one object in white; instead of --method."""
    stored_frame: Annotated[bool, Flag] = False
    """The mask is in the frame before EXIF turns the first picture, where sizes do not tell (180 degrees, squares)."""
    size: Whole | None = None
    """Long side in px (default: a short side of 480 px, as published)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mask and any(
            getattr(self, name) != getattr(SegmentOptions, name) for name in SegmentOptions.__annotations__
        ):
            raise OptionError("--mask says which objects are followed: leave out --method, --param, --refine.")
        if self.stored_frame and not self.mask:
            raise OptionError("--stored-frame is of --mask: name it.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FrameOptions(OutputOptions):
    """Where results of a video go."""

    formats: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = ("labels", "overlays")
    """Any of labels, overlays, video (overlays.mp4), masks, cutouts, coco, contact-sheet."""
