"""What travels on the road. No torch here: what holds tensors lives in the room that makes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import DinosegError

if TYPE_CHECKING:
    import PIL.Image

Image: TypeAlias = "str | Path | bytes | PIL.Image.Image | NDArray[Any]"
"""One image as a user hands it over: path, encoded bytes, PIL image, or array (see ``images.decode``)."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One input before it is decoded."""

    id: str
    """Relative path with extension (``sub/cat.jpg``), or ``image-000003`` for things that are not files."""
    content: Image
    """The file's path, or the bytes, array or PIL image itself."""
    label: str | None = None
    """What messages call it, where that is not the id."""
    value_range: tuple[float, float] | None = None
    """What is black and white in a picture of more than 8 bit; by default its own values say: ``images.colour``."""

    def with_values(self, value_range: tuple[float, float] | None) -> Source:
        """The same input, read with that ``value_range``."""
        return replace(self, value_range=value_range) if value_range else self


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photograph: upright RGB pixels, and what decoding had to do."""

    id: str
    pixels: NDArray[np.uint8]
    """sRGB, ``(h, w, 3)``, EXIF orientation applied, alpha over white."""
    size: tuple[int, int]
    """``(H, W)`` of the upright original; larger than ``pixels`` when it was decoded at reduced scale."""
    notes: tuple[str, ...] = ()
    """What decoding had to do (``cmyk``, ``first of 12 frames``, ``format png despite .jpg`` ...)."""
    time: float | None = None
    """Seconds from the start of its video; None for what is from no video file."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a photo was laid onto the patch grid: scaled, then padded bottom and right."""

    size: tuple[int, int]
    """``(H, W)`` px of the upright original."""
    scaled: tuple[int, int]
    """``(h, w)`` px after scaling, before padding."""
    grid: tuple[int, int]
    """``(gh, gw)`` patches; ``gh * patch >= h`` by less than one patch."""
    patch: int
    """px per patch."""


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """One object as a method sees it, on the patch grid."""

    soft: NDArray[np.float32]
    """``(mh, mw)`` in 0..1 over the *padded* frame; 0.5 is the method's own threshold. Usually ``(gh, gw)``."""
    score: float
    """0..1; the formula is in the method's docstring."""
    why: str = ""
    """One line on how it was chosen, for people."""
    descriptor: NDArray[np.float32] | None = None
    """What it looks like, ``(d,)`` of length 1, when that was asked for (see ``methods.described``)."""
    number: int | None = None
    """Of an object that keeps it through a video, 1 or more; None: it is counted in its picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """What a method found in one image; ``objects`` may be empty, then ``reason`` says why."""

    objects: tuple[Proposal, ...]
    reason: str | None = None
    """``constant_image``, ``degenerate_graph``, ``no_object`` ... when there is no object."""


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One object in the frame of the upright original, kept small."""

    rle: dict[str, Any]
    """Compressed COCO RLE at full size: ``{"size": [H, W], "counts": str}``."""
    box: tuple[int, int, int, int]
    """``x0, y0, x1, y1`` px, half open."""
    area: int
    """Mask pixels."""
    score: float
    label: int
    """1..n, in falling order of score; in a video the number that it keeps."""
    soft: NDArray[np.float32] | None
    """``(mh, mw)`` in 0..1: the method's map before refinement; None for an object that came as a mask."""
    why: str = ""
    """The method's line on how it was chosen, for people."""
    descriptor: NDArray[np.float32] | None = None
    """What it looks like, ``(d,)`` of length 1, when that was asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """What a stream yields in the place of an input that could not be done."""

    id: str
    error: DinosegError
    """Without its traceback, whose frames would keep the picture in memory."""
    source: Source | None = None

    def __post_init__(self) -> None:
        self.error.__traceback__ = self.error.__cause__ = self.error.__context__ = None

    @property
    def reason(self) -> str:
        """The short word of the manifest (``truncated``, ``not_an_image`` ...)."""
        return self.error.reason
