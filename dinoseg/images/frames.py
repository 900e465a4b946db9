"""In which frame a mask of a picture is: that of its file as stored, or that in which EXIF shows it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile

from dinoseg.errors import ImageError
from dinoseg.images.decode import open_file, read_orientation, typed_errors
from dinoseg.images.formats import open_image
from dinoseg.images.turns import TURNS, Turn


class Frame(NamedTuple):
    """A picture as it is stored, and how EXIF turns it."""

    stored: tuple[int, int]
    """``(H, W)`` px."""
    orientation: int
    """1..8; 1 is upright."""

    @property
    def turned(self) -> bool:
        """Whether EXIF turns it at all."""
        return self.orientation in TURNS

    @property
    def upright(self) -> tuple[int, int]:
        """``(H, W)`` px as it is shown."""
        return TURNS[self.orientation].size(self.stored) if self.turned else self.stored

    def turn(self, size: tuple[int, ...], stored: bool) -> Turn | None:
        """What turns a mask of ``(H, W)`` px upright; None for one that is so, and for one that is of neither frame.

        Where both frames are of one size, ``stored`` says in which it is.
        """
        if size != self.stored or (size == self.upright and not stored):
            return None
        return TURNS.get(self.orientation)

    def __str__(self) -> str:
        """For messages about sizes; empty where EXIF turns nothing."""
        (height, width), (h, w) = self.stored, self.upright
        return (
            f"{width} x {height} px as stored and {w} x {h} upright (EXIF orientation {self.orientation})"
            if self.turned
            else f"{width} x {height} px"
        )


def frame_of(path: Path) -> Frame | None:
    """Frame of a picture's file, of which little more than the header is read; None for one that cannot be read."""
    try:
        with typed_errors(), open_file(path) as stream:
            _, image = open_image(stream)
            (width, height), (orientation, _) = image.size, read_orientation(image)
            if isinstance(image, TiffImageFile):  # of which newer Pillows say the upright size
                width, height = image.tag_v2[IMAGEWIDTH], image.tag_v2[IMAGELENGTH]
    except ImageError:
        return None
    return Frame((height, width), orientation)
