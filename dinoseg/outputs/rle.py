"""Masks as compressed COCO RLE: column-major runs, kept as text so that JSON takes them as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco


def encode_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Mask ``(H, W)`` bool -> ``{"size": [H, W], "counts": str}``."""
    rle = coco.encode(np.asfortranarray(mask, np.uint8))
    height, width = mask.shape
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def decode_rle(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The mask of ``encode_rle`` again, ``(H, W)`` bool."""
    return np.ascontiguousarray(coco.decode(rle)).view(bool)  # (H, W)


def rle_area(rle: Mapping[str, Any]) -> int:
    """Mask pixels."""
    return int(coco.area(rle))


def rle_box(rle: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Smallest box ``x0, y0, x1, y1`` px around the mask, half open; all zero for an empty mask."""
    x, y, width, height = (int(side) for side in coco.toBbox(rle))
    return x, y, x + width, y + height
