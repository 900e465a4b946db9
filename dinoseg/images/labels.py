"""Label pictures: masks are read as they are stored, never scaled, never interpolated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import ImageError, ImageTooLarge, MaskError
from dinoseg.images.decode import open_file, typed_errors
from dinoseg.images.formats import open_image
from dinoseg.options import MAX_PIXELS

VOID = 255
LOSSY = ("jpeg", "heif", "avif")
"""Formats, and compressions of TIFF, that change values."""
BETWEEN = 12
"""Levels between the darkest and the brightest from which on a grey picture may be a soft mask, not a few numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """A mask file as it is stored."""

    path: Path
    values: NDArray[np.uint8]
    """``(H, W)``: palette indices, grey levels, or 0 and 1."""
    mode: str
    """``P``, ``L`` or ``1``."""
    lossy: bool
    """Whether saving it changed its values, as JPEG does."""

    @property
    def soft(self) -> bool:
        """Whether its levels are degrees and not numbers: most of those between fill no place of 3 x 3 px.

        They lie along the edges of a mask that was blurred, scaled or saved as JPEG, as objects never do. Below white
        there must be dozens: a few may be small objects.
        """
        between = np.unique(self.values)[1:-1]
        if not len(between) or (len(between) < BETWEEN and not (self.mode == "L" and self.values.max() == VOID)):
            return False
        solid = np.unique(self.values[solid_places(self.values)])
        return bool(2 * np.isin(between, solid).sum() < len(between))

    def numbers(self) -> NDArray[np.uint8]:
        """Its values as numbers of objects or classes, ``(H, W)``, 255 void; two levels of grey are 0 and 1.

        Raises ``MaskError`` for a file that can hold none.
        """
        if self.lossy or self.soft:
            why = "saved with loss of values" if self.lossy else "a soft mask: most of its values lie on edges only"
            raise MaskError(f"{self.path} holds no numbers: it is {why}. Save numbers as a PNG, one value an object.")
        if self.mode == "L" and np.isin(self.values, (0, VOID)).all():
            return (self.values > 0).astype(np.uint8)
        return self.values

    def objects(self) -> NDArray[np.uint8]:
        """A mask of any common kind as object numbers, ``(H, W)``: 0 background, 1..254 objects, 255 void.

        A soft mask in grey, one saved with loss, and any grey picture whose brightest value is 255 have one object,
        above half of the brightest. In others the values are the numbers (palette, two levels, or grey below 255).
        Raises ``MaskError`` for a palette that holds a soft mask.
        """
        brightest = int(self.values.max())
        if self.mode == "L" and (self.lossy or brightest == VOID or self.soft):
            return (self.values > brightest // 2).astype(np.uint8)
        return self.numbers()


def solid_places(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the 3 x 3 px around hold one value, ``(H, W)``."""
    box = np.ones((3, 3), np.uint8)
    same = cv2.erode(values, box) == cv2.dilate(values, box)
    return np.asarray(same, bool)


def read_labels(path: Path) -> Labels:
    """A mask file as it is stored.

    Read by content and by the readers of photographs, as large as these may be. Raises ``MaskError`` for a file that
    cannot be read or that holds colours.
    """
    try:
        with typed_errors(), open_file(path) as stream:
            format_, image = open_image(stream)
            if image.width * image.height > MAX_PIXELS:
                raise ImageTooLarge(f"has {image.width} x {image.height} px: more than any picture that is read")
            values, mode = np.array(image), image.mode
    except ImageError as error:
        raise MaskError(f"{path} cannot be read as a mask: it {error}.") from error
    if mode == "RGB" and (values == values[..., :1]).all():
        values, mode = values[..., 0], "L"
    if mode not in ("P", "L", "1"):
        raise MaskError(f"{path} is a mask of mode {mode}: a palette or 8-bit grey picture is needed.")
    return Labels(path, values.astype(np.uint8), mode, format_.name in LOSSY or image.info.get("compression") in LOSSY)


def object_numbers(path: Path) -> NDArray[np.uint8]:
    """``Labels.objects`` of a file, void as background. Raises ``MaskError``."""
    objects = read_labels(path).objects()
    return np.where(objects == VOID, 0, objects).astype(np.uint8)
