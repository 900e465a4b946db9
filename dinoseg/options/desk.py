"""Which objects are written, and how cut-outs look."""

import re
from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from dinoseg.errors import OptionError
from dinoseg.options.declare import WHERE_SET, Flag, Options, Whole, require

SUFFIXES = {"png": ".png", "webp": ".webp", "jpeg": ".jpg"}
"""Of files, by image format."""
CUTOUTS = Parameter(group=Group("Cut-outs (each asks for them)", sort_key=3))
"""Their panel of ``--help``."""
MARGIN = re.compile(r"(\d+(?:\.\d+)?)%|\d+")
"""A share of a length, or px."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SelectOptions(Options):
    """Which objects are written."""

    largest: Annotated[bool, Flag] = field(default=False, metadata=WHERE_SET)
    """Only the object with most pixels."""
    top: Whole | None = field(default=None, metadata=WHERE_SET)
    """Only so many objects, those with the highest scores."""
    min_area: float = field(default=0.0, metadata=WHERE_SET)
    """Only objects of at least this share of the photograph, 0..1."""
    min_score: float = field(default=0.0, metadata=WHERE_SET)
    """Only objects of at least this score, 0..1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.top is None or self.top >= 1, "--top", self.top, "1 or more")
        require(0 <= self.min_area <= 1, "--min-area", self.min_area, "0..1")
        require(0 <= self.min_score <= 1, "--min-score", self.min_score, "0..1")
        if self.largest and self.top is not None:
            raise OptionError("--largest leaves one object: leave out --top.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CutoutOptions(Options):
    """How cut-outs look; each of these asks for cut-outs."""

    background: Annotated[str | None, CUTOUTS] = None
    """What cut-outs stand on: a colour, an image file or `blur` (default: transparent)."""
    crop: Annotated[bool, Flag, CUTOUTS] = field(default=False, metadata=WHERE_SET)
    """Cut-outs show the objects and nothing around them."""
    margin: Annotated[str, CUTOUTS] = field(default="0", metadata=WHERE_SET)
    """Around a crop: px, or a share of the objects' long side (`5%`)."""
    square: Annotated[bool, Flag, CUTOUTS] = field(default=False, metadata=WHERE_SET)
    """Cut-outs have a square canvas, with what they show in the middle."""
    image_format: Annotated[Literal["png", "webp", "jpeg"], CUTOUTS] = field(default="png", metadata=WHERE_SET)
    """Of cut-outs; jpeg needs a --background."""
    quality: Annotated[Whole, CUTOUTS] = field(default=90, metadata=WHERE_SET)
    """Of webp and jpeg, 1..100."""
    keep_profile: Annotated[bool, Flag, CUTOUTS] = field(default=False, metadata=WHERE_SET)
    """Cut-outs keep the colour profile of an RGB photograph (default: they are sRGB)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        margin = MARGIN.fullmatch(self.margin)
        most = 100 if self.margin.endswith("%") else 2000
        require(
            margin is not None and self.margin_of(100) <= most, "--margin", self.margin, "0%..100%, or 0..2000 whole px"
        )
        require(self.image_format in SUFFIXES, "--image-format", self.image_format, "png, webp or jpeg")
        require(1 <= self.quality <= 100, "--quality", self.quality, "1..100")
        if self.margin != CutoutOptions.margin and not self.crop:
            raise OptionError("--margin is around a crop: add --crop.")
        if self.image_format == "jpeg" and self.background is None:
            raise OptionError("jpeg has no transparency: name a --background, or choose webp.")

    def margin_of(self, length: int) -> int:
        """The margin in px around what is ``length`` px long."""
        number = float(self.margin.rstrip("%"))
        return round(number / 100 * length if self.margin.endswith("%") else number)

    @property
    def asks_for_cutouts(self) -> bool:
        """Whether one of these options is set."""
        return any(getattr(self, each.name) != each.default for each in fields(CutoutOptions))
