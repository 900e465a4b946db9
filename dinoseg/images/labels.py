"""Label pictures: masks are read as they are stored, never scaled, never interpolated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import ImageError, ImageTooLarge, MaskError
from dinoseg.images.decode import open_file, typed_errors
from dinoseg.images.formats import open_image
from dinoseg.options import InputOptions

VOID = 255


def read_labels(path: Path) -> tuple[NDArray[np.uint8], str]:
    """Values of a mask file as stored, ``(H, W)``, and its mode: palette indices (``P``) or grey levels (``L``, ``1``).

    Read by content and by the readers of photographs, as large as these may be. Raises ``MaskError`` for a file that
    cannot be read or that holds colours.
    """
    try:
        with typed_errors(), open_file(path) as stream:
            _, image = open_image(stream)
            if image.width * image.height > InputOptions.max_pixels:
                raise ImageTooLarge(f"has {image.width} x {image.height} px: more than any picture that is read")
            values, mode = np.array(image), image.mode
    except ImageError as error:
        raise MaskError(f"{path} cannot be read as a mask: it {error}.") from error
    if mode == "RGB" and (values == values[..., :1]).all():
        values, mode = values[..., 0], "L"
    if mode not in ("P", "L", "1"):
        raise MaskError(f"{path} is a mask of mode {mode}: a palette or 8-bit grey picture is needed.")
    return values.astype(np.uint8), mode


def object_numbers(path: Path) -> NDArray[np.uint8]:
    """A mask of any common kind as object numbers, ``(H, W)``: 0 background, 1..254 objects.

    A grey picture whose brightest value is 255 has one object, above 127. In any other the values are the numbers
    (palette, two levels, or grey below 255), and 255 is void, so background. Raises ``MaskError``.
    """
    values, mode = read_labels(path)
    if mode == "L" and values.max() == VOID:
        return (values > 127).astype(np.uint8)
    return np.where(values == VOID, 0, values).astype(np.uint8)
