"""What travels on the road. No torch here: what holds tensors lives in the room that makes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
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
    """A decoded photograph, upright."""

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
    """1..n, in falling order of score."""
    soft: NDArray[np.float32]
    """``(mh, mw)`` in 0..1: the method's map before refinement."""
    why: str = ""
    """The method's line on how it was chosen, for people."""
    descriptor: NDArray[np.float32] | None = None
    """What it looks like, ``(d,)`` of length 1, when that was asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """The objects of one image. Empty is a result: then ``reason`` says why."""

    id: str
    instances: tuple[Instance, ...]
    reason: str | None
    fit: Fit
    source: Source
    refine: str
    """Name of the refinement that made the masks."""
    attention: NDArray[np.float32] | None = None
    """CLS attention of the last layer, ``(heads, gh, gw)``, when the method looked at it."""
    notes: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds by stage: decode, backbone, method, refine."""
    presence: float | None = None
    """Probability in 0..1 that there is an object; None where that is not known (no network, no calibration)."""
    time: float | None = None
    """Seconds from the start of its video; None for what is from no video file."""

    @property
    def size(self) -> tuple[int, int]:
        """``(H, W)`` px of the upright original."""
        return self.fit.size

    @property
    def scores(self) -> list[float]:
        """Scores in 0..1, one per object, falling."""
        return [instance.score for instance in self.instances]

    @property
    def boxes(self) -> NDArray[np.int64]:
        """``(n, 4)`` boxes ``x0, y0, x1, y1`` in px, half open."""
        return np.array([instance.box for instance in self.instances], np.int64).reshape(-1, 4)

    @property
    def masks(self) -> NDArray[np.bool_]:
        """``(n, H, W)`` bool masks, expanded from RLE."""
        from dinoseg.outputs.rle import decode_rle

        masks = [decode_rle(instance.rle) for instance in self.instances]
        return np.stack(masks) if masks else np.zeros((0, *self.size), bool)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """``(H, W)`` bool: the union of all objects."""
        return np.asarray(self.masks.any(axis=0), bool)

    def photo(self) -> Photo:
        """The photograph at full resolution, decoded again. Raises ``ImageError`` if it is gone."""
        from dinoseg.images.decode import decode

        return decode(self.source, max_pixels=self.size[0] * self.size[1])  # it was read before

    def soft(self) -> NDArray[np.float32]:
        """``(n, H, W)`` soft masks in 0..1: refinement is run again on the method's maps."""
        from dinoseg.refine import refine

        photo = self.photo()
        soft = [refine(self.refine, instance.soft, photo, self.fit).soft for instance in self.instances]
        return np.stack(soft) if soft else np.zeros((0, *self.size), np.float32)

    def overlay(self) -> PIL.Image.Image:
        """The photograph with its masks drawn in colour and outlined."""
        from dinoseg.outputs.render import render_image

        return render_image("overlays", self)

    def cutout(self, background: str | None = None) -> PIL.Image.Image:
        """The objects on transparency (RGBA), or over a colour, an image file or ``"blur"`` (RGB)."""
        from dinoseg.outputs.render import render_image

        return render_image("cutouts", self, background=background)

    def save(self, directory: str | Path, formats: Iterable[str] = ("masks", "overlays")) -> list[Path]:
        """Write the named formats under ``directory`` as a folder run would; returns the paths."""
        from dinoseg.outputs.render import save

        return save(self, Path(directory), tuple(formats))

    def to_coco(self) -> dict[str, Any]:
        """A complete COCO dataset of this one image."""
        from dinoseg.outputs.coco import coco_dataset

        return coco_dataset([self])

    def to_detections(self) -> Any:
        """``supervision.Detections``. Raises ``MissingExtra`` without that package."""
        from dinoseg.outputs.detections import to_detections

        return to_detections(self)

    def _repr_png_(self) -> bytes:
        from dinoseg.outputs.render import png_bytes

        return png_bytes(self.overlay())

    def __repr__(self) -> str:
        found = f"{len(self.instances)} object(s)" if self.instances else f"no object ({self.reason})"
        return f"Segmentation({self.id!r}, {self.size[0]}x{self.size[1]}, {found})"


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
