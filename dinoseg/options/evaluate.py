"""What is scored."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dinoseg.errors import OptionError
from dinoseg.options.declare import FREE, Flag, Whole, identity, require
from dinoseg.options.segment import SegmentOptions


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(SegmentOptions):
    """Which pictures of a data set are scored, and where the report goes."""

    image_set: str | None = None
    """A list of the data set (VOC: Main/trainval, boxes only; DAVIS: 2017/val), or a text file of pictures' names."""
    split: Literal["all", "even", "odd"] = field(default="all", metadata=FREE)
    """Indices of the sorted list (of the videos, where there are some): choose on even, report on odd."""
    every: Whole = 1
    """Score every n-th picture (of each video) of the split."""
    smooth: Whole = 0
    """davis-unsupervised: average each frame's soft mask with those of so many scored frames before and after."""
    shots: Annotated[tuple[Whole, ...], Parameter(negative="", consume_multiple=True)] = ()
    """knn and linear: learn also from so few pictures of each class, for instance 1 5 10."""
    corrupt: str | None = None
    """NAME[:SEVERITY]: spoil pictures by gaussian-noise, gaussian-blur, jpeg, brightness, contrast or resolution."""
    random_weights: Annotated[bool, Flag] = False
    """Measure a network of the model's shape that was never trained: a floor."""
    predictions: Path | None = None
    """Score these, run no method: a folder of masks named as the pictures, or a COCO json (ap, corloc: or of boxes)."""
    stored_frame: Literal["truth", "predictions", "both"] | None = None
    """Which are in the frame of the pictures before EXIF turns them, where sizes do not tell: 180 degrees, squares."""
    partial: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Give scores although pictures failed, labelled as partial."""
    output: Annotated[Path | None, Parameter(alias="-o")] = field(default=None, metadata=FREE)
    """Folder of the report; what was stopped there goes on (not --predictions, knn, linear, retrieval or copies)."""
    overwrite: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Replace the report that is in the folder."""
    json: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Print the report as JSON on stdout."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.every >= 1, "--every", self.every, "1 or more")
        require(0 <= self.smooth <= 100, "--smooth", self.smooth, "0..100 frames")
        require(min(self.shots, default=1) >= 1, "--shots", self.shots, "1 or more")
        if self.overwrite and self.output is None:
            raise OptionError("--overwrite replaces a report: name its folder with --output.")
        if self.stored_frame in ("predictions", "both") and not self.predictions:
            raise OptionError(f"--stored-frame {self.stored_frame}: results of a method are upright, files are not.")
        making = (*identity(self, SegmentOptions), "random_weights", "corrupt")
        made = [name for name in making if getattr(self, name) != getattr(EvaluateOptions, name)]
        if self.predictions and made:
            told = " and ".join(f"--{name.replace('_', '-')}" for name in made)
            raise OptionError(f"--predictions are scored as they are: leave out {told}.")
