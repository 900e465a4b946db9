"""What a format is: a way to make one file per image, or one file per folder."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngInfo

from dinoseg.images.fit import resize
from dinoseg.options import CutoutOptions
from dinoseg.rle import decode_rle

if TYPE_CHECKING:
    import PIL.Image

    from dinoseg.outputs.backdrop import Backdrop
    from dinoseg.outputs.record import Record
    from dinoseg.segmentation import Segmentation
    from dinoseg.types import Photo


PERCEPTUAL = b"\0"
"""The rendering intent of a PNG's sRGB chunk."""


class Scene:
    """One segmentation with what formats draw from, each made once and only when a format asks for it."""

    def __init__(
        self,
        segmentation: Segmentation,
        photo: Photo | None = None,
        soft: NDArray[np.float32] | None = None,
        backdrop: Backdrop | None = None,
        look: CutoutOptions | None = None,
    ) -> None:
        self.segmentation, self.backdrop = segmentation, backdrop
        self.look = look or CutoutOptions()
        """How cut-outs look, but for what they stand on."""
        self._photo, self._soft = photo, soft

    @property
    def id(self) -> str:
        """Of the photograph."""
        return self.segmentation.id

    @property
    def size(self) -> tuple[int, int]:
        """``(H, W)`` px of the upright original."""
        return self.segmentation.size

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The photograph, RGB ``(H, W, 3)``. Raises ``ImageError`` if it has to be decoded again and is gone."""
        pixels = (self._photo or self.segmentation.photo()).pixels
        return resize(pixels, self.size)

    @cached_property
    def soft(self) -> NDArray[np.float32]:
        """``(H, W)`` in 0..1: the highest of the objects' soft masks at each pixel."""
        soft = self.segmentation.soft() if self._soft is None else self._soft  # (n, H, W)
        return soft.max(axis=0, initial=0)

    @cached_property
    def labels(self) -> NDArray[np.uint16]:
        """Label map ``(H, W)``: 0 background, k object k; where objects overlap the higher score wins."""
        ranked = sorted(self.segmentation.instances, key=lambda instance: (-instance.score, instance.label))
        return label_map(self.size, [(instance.rle, instance.label) for instance in ranked])


def label_map(size: tuple[int, int], masks: Sequence[tuple[Mapping[str, Any], int]]) -> NDArray[np.uint16]:
    """Masks as RLE with the value that each gets, in one map ``(H, W)``; where they overlap the first one wins."""
    labels = np.zeros(size, np.uint16)
    for rle, value in reversed(masks):
        labels[decode_rle(rle)] = value
    return labels


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """One file per image: ``DIR/<name of the format>/<id><suffix>``, and with ``index`` one for all of them."""

    suffix: str | Callable[[CutoutOptions], str]
    """Of the file's name; where cut-outs are it depends on how they look."""
    encode: Callable[[Any], bytes | None]
    """The file's content, from a ``Scene`` or what else is written of an image; None: there is nothing to write."""
    draw: Callable[[Scene], PIL.Image.Image] | None = None
    """The picture itself, for formats that are one."""
    below: str = ""
    """Folder of the files in that of the format."""
    stem: bool = False
    """Whether files are named by the stem of the photograph, as the tool that reads them expects it."""
    index: FolderFormat | None = None
    """A file of the whole folder that goes with them."""


@dataclass(frozen=True, slots=True)
class FolderFormat:
    """One file for the whole folder, made from the manifest and from what lies there."""

    file: str
    """Name of the file."""
    build: Callable[[Iterable[Record], Path], Iterator[bytes]]
    """The file's content in chunks, from the records (sorted by id, may be gone through repeatedly) and the folder."""
    needs: tuple[str, ...] = ()
    """Formats that it is made from."""


def picture(draw: Callable[[Scene], PIL.Image.Image]) -> ImageFormat:
    """The format whose PNG files hold what ``draw`` draws."""
    return ImageFormat(".png", lambda scene: png_bytes(draw(scene)), draw)


def encoded(image: PIL.Image.Image, kind: str, quality: int) -> bytes:
    """The picture as ``png``, ``webp`` or ``jpeg``, the last two at a quality of 1..100."""
    if kind == "png":
        return png_bytes(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality, icc_profile=image.info.get("icc_profile"))
    return buffer.getvalue()


def png_bytes(image: PIL.Image.Image) -> bytes:
    """The picture as PNG; colours say that they are sRGB, or have their profile: there are no more metadata.

    zlib's run-length strategy makes files as small as its usual one does, in a third of the time.
    """
    buffer, chunks = io.BytesIO(), PngInfo()
    if image.mode in ("RGB", "RGBA") and "icc_profile" not in image.info:
        chunks.add(b"sRGB", PERCEPTUAL)
    image.save(buffer, "PNG", compress_type=zlib.Z_RLE, pnginfo=chunks)
    return buffer.getvalue()
