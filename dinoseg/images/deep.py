"""Colours of 16 bit a channel: Pillow keeps the upper 8, and nothing is left of a picture that uses the lower ones."""

from __future__ import annotations

from typing import IO

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile

LOST = "colours of 16 bit read as 8"
"""The note of a picture whose colours only Pillow reads."""


def is_deep(image: ImageFile) -> bool:
    """Whether an opened picture that is not loaded yet has colours of 16 bit a channel."""
    if image.mode not in ("RGB", "RGBA", "LA") or not image.tile:
        return False
    codec, _, _, how = image.tile[0]
    mode, *more = how if isinstance(how, tuple) else (how,)
    return ";16" in str(mode) or (codec.startswith("ppm") and more[:1] == [65535])


def deep_colours(stream: IO[bytes], image: PIL.Image.Image) -> NDArray[np.uint16] | None:
    """Colours ``(H, W, 3 | 4)`` of a file of which ``image`` was loaded; None where OpenCV reads none, or others.

    Pillow comes first: it tells damaged files, which OpenCV fills up.
    """
    stream.seek(0)
    try:
        values = cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # a layout that it does not know
        return None
    if values is None or values.dtype != np.uint16 or values.ndim != 3 or values.shape[2] not in (3, 4):
        return None
    values = values[..., [2, 1, 0, 3][: values.shape[2]]]  # RGB(A) of BGR(A)
    seen = np.asarray(image.convert("RGBA" if values.shape[2] == 4 else "RGB"))
    same = seen.shape == values.shape and bool((np.abs((values // 257).astype(np.int16) - seen) <= 1).all())
    return values.astype(np.uint16) if same else None
