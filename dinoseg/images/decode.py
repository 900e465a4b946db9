"""One image in, one upright ``Photo`` out; or a typed error that names the input, whatever its bytes are."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from dinoseg.errors import (
    ImageError,
    ImageForbidden,
    ImageTooLarge,
    ImageVanished,
    NotAnImage,
    TruncatedImage,
    UnsupportedFormat,
    UnsupportedImage,
)
from dinoseg.files import EMPTY, NotRegular, absent, home_path, open_regular
from dinoseg.images.colour import ValueRange, array_to_rgb, image_to_rgb
from dinoseg.images.deep import LOST, deep_colours, is_deep
from dinoseg.images.formats import Format, open_image, unsupported
from dinoseg.images.turns import TURNS
from dinoseg.options import MAX_PIXELS
from dinoseg.types import Image, Photo, Source

Decoded = tuple[NDArray[np.uint8], tuple[int, int], list[str]]
"""Pixels ``(h, w, 3)``, size ``(H, W)`` of the upright original, notes."""

ORIENTATION = 0x0112
USUAL = ("RGB", "RGBA", "L", "LA", "P", "1")
"""Modes whose way to RGB needs no remark."""
DNG_VERSION, SUBFILE_TYPE, THUMBNAIL = 50706, 254, 1


def as_source(image: Image, index: int = 0) -> Source:
    """Give one image of any kind its id: a file's name, or ``image-000003`` for things that are not files.

    A path may begin with ``~``. Messages have the whole path.
    """
    if not isinstance(image, str | Path):
        return Source(f"image-{index:06d}", image)
    path = home_path(str(image))
    return Source(path.name or str(image), path if path.name else str(image), label=str(image) or EMPTY)


def decode(source: Source, *, max_pixels: int = MAX_PIXELS, reduce_to: int | None = None) -> Photo:
    """Read one image: uint8 RGB ``(h, w, 3)``, upright, alpha over white (see ``images.colour``).

    With ``reduce_to``, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its scale as long as its long side keeps that many
    px; ``Photo.size`` stays that of the original. Raises a subclass of ``ImageError`` whose message names the input.
    """
    try:
        with typed_errors():
            pixels, size, notes = Reader(max_pixels, reduce_to, source.value_range).read(source.content)
    except ImageError as error:
        raise type(error)(f"{source.label or source.id}: {error}") from error.__cause__
    return Photo(source.id, pixels, size, tuple(notes))


@contextmanager
def typed_errors() -> Iterator[None]:
    """Whatever decoders raise becomes an ``ImageError``: on damaged files that may be nearly anything."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        raise typed(error) from error


def typed(error: Exception) -> ImageError:
    """What an exception of Pillow or of the system means for the user."""
    if isinstance(error, OSError) and error.errno is not None:
        return ImageError(f"cannot be read ({error.strerror})")
    says = f"{type(error).__name__}: {error}"
    if re.search("MemoryError|DecompressionBomb|too large|too much memory|insufficient memory", says, re.IGNORECASE):
        return ImageTooLarge(f"needs more memory than is allowed ({says})")
    if re.search("closed (image|file)", says):
        return UnsupportedImage("was closed before it was read: hand it over while it is open, or name its file")
    if re.search("not available|unsupported|unknown|cannot handle", says, re.IGNORECASE):
        return UnsupportedFormat(f"is of a kind that is not read ({says}); convert it to JPEG or PNG first")
    return TruncatedImage(f"is cut short or damaged ({says}); fetch it again")


@dataclass(frozen=True, slots=True)
class Reader:
    """How pictures are read; see ``decode``."""

    max_pixels: int
    reduce_to: int | None
    value_range: ValueRange | None

    def read(self, content: Image) -> Decoded:
        """A picture of any kind. Raises ``ImageError``, without its name, or what Pillow raises."""
        if isinstance(content, np.ndarray):
            pixels, notes = array_to_rgb(content, self.value_range)
            check_pixels(pixels.shape[1], pixels.shape[0], self.max_pixels)
            return pixels, pixels.shape[:2], notes
        if isinstance(content, PIL.Image.Image):
            check_pixels(*content.size, self.max_pixels)
            return self.convert(content, as_file=isinstance(content, ImageFile))
        if isinstance(content, bytes):
            return self.read_stream(io.BytesIO(content), None)
        if isinstance(content, str | Path):
            with open_file(content) as stream:
                return self.read_stream(stream, Path(content).suffix)
        raise UnsupportedImage(f"is a {type(content).__name__}; give a path, bytes, a PIL image or a NumPy array")

    def read_stream(self, stream: IO[bytes], suffix: str | None) -> Decoded:
        """An encoded image; ``suffix`` is that of its file, when it is one."""
        known, image = open_image(stream)
        check_pixels(*image.size, self.max_pixels)
        refuse_raw(image)
        original, wanted = image.size, self.reduce_to
        reduced = wanted is not None and image.draft("RGB", draft_size(original, wanted)) is not None
        deep = is_deep(image)
        image.load()
        colours = deep_colours(stream, image) if deep else None
        lost = [LOST] if deep and colours is None else []
        pixels, size, notes = self.convert(image, original if reduced else None, colours=colours)
        return pixels, size, suffix_notes(known, suffix) + notes + lost + frame_notes(image)

    def convert(
        self,
        image: PIL.Image.Image,
        original: tuple[int, int] | None = None,
        *,
        as_file: bool = True,
        colours: NDArray[np.uint16] | None = None,
    ) -> Decoded:
        """A PIL image -> upright RGB. ``original`` is its ``(width, height)`` where it was opened at reduced scale,
        ``colours`` are its own where they have more than 8 bit.

        Only the picture of a file is turned by its EXIF orientation. An image that was made from it, turned, resized or
        converted, still carries the tag, but masks are expected in the frame of its pixels.
        """
        image.load()
        orientation, notes = read_orientation(image)  # after loading: a PNG may say it behind its pixels
        if not as_file and orientation != 1:
            orientation, notes = 1, [f"EXIF orientation {orientation} not followed: not the picture of a file"]
        pixels, told = image_to_rgb(image, self.value_range, colours)  # (h, w, 3)
        width, height = original or image.size
        if turn := TURNS.get(orientation):
            pixels, (height, width) = turn.array(pixels), turn.size((height, width))
        return pixels, (height, width), notes + mode_notes(image) + told


def open_file(path: str | Path) -> BufferedReader:
    """A regular file, or a typed error."""
    if not str(path):
        raise ImageVanished(absent(""))
    try:
        return open_regular(Path(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageVanished(absent(str(path))) from error
    except PermissionError as error:
        raise ImageForbidden("may not be read; check its permissions and its folder's") from error
    except NotRegular as error:
        raise NotAnImage("is a folder, a pipe or a device, not a file") from error


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise ``ImageTooLarge`` before anything is decoded."""
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"has {width * height:,} pixels ({width}x{height}), more than {max_pixels:,}; "
            f"if it can be trusted: --max-pixels {width * height}"
        )


def refuse_raw(image: ImageFile) -> None:
    """A camera's raw file is a TIFF whose first page is only a thumbnail: never take that for the photograph."""
    if isinstance(image, TiffImageFile):
        tags = image.tag_v2
        if DNG_VERSION in tags or tags.get(SUBFILE_TYPE, 0) & THUMBNAIL:
            raise unsupported("a camera's raw file (DNG)", "pip install rawpy")


def draft_size(size: tuple[int, int], reduce_to: int) -> tuple[int, int]:
    """Smallest ``(width, height)`` that ``PIL.Image.draft`` may keep."""
    scale = min(1.0, reduce_to / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def read_orientation(image: PIL.Image.Image) -> tuple[int, list[str]]:
    """EXIF orientation 1..8, and a note where the metadata cannot be read: the picture still can."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # malformed metadata makes Pillow raise nearly anything
        return 1, ["metadata unreadable"]
    return (orientation, []) if orientation in range(1, 9) else (1, [f"orientation {orientation!r} unknown"])


def mode_notes(image: PIL.Image.Image) -> list[str]:
    """What had to be done to the colours, beyond the usual."""
    notes = ["alpha over white"] if image.has_transparency_data else []
    return notes if image.mode in USUAL else [*notes, f"from mode {image.mode}"]


def frame_notes(image: PIL.Image.Image) -> list[str]:
    """Whether there was more than the first frame. Frames are not counted: that may mean to decode them all."""
    try:
        return ["first of several frames"] if getattr(image, "is_animated", False) else []
    except Exception:  # the second frame is damaged; the first was fine
        return ["first frame; the second is damaged"]


def suffix_notes(known: Format, suffix: str | None) -> list[str]:
    """The true format, where the name says another or nothing."""
    if suffix is None or suffix.lower() in known.suffixes:
        return []
    return [f"format {known.name} despite {suffix}" if suffix else f"format {known.name}, no suffix"]
