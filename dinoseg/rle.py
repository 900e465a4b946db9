"""Masks as compressed COCO RLE: column-major runs, kept as text so that JSON takes them as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

LONGEST = 4_000_000
"""px around one polygon: pycocotools keeps about 100 bytes for each."""


def encode_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Mask ``(H, W)`` bool -> ``{"size": [H, W], "counts": str}``."""
    rle = coco.encode(np.asfortranarray(mask, np.uint8))
    height, width = mask.shape
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def decode_rle(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The mask of ``encode_rle`` again, ``(H, W)`` bool. Raises ``ValueError`` for what is none."""
    height, width = rle["size"]
    return np.ascontiguousarray(filled(run_lengths(rle["counts"]), (height, width)))


def run_lengths(text: str) -> list[int]:
    """COCO's compressed counts as numbers; pycocotools reads beyond the memory of a broken text.

    Five bits a character from 48 on, the sixth says that more follow, the last fifth is the sign; from the fourth
    number on, the difference to the last but one. Raises ``ValueError``.
    """
    counts: list[int] = []
    number = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        number |= (bits & 31) << shift
        shift += 5
        if shift > 60:
            raise ValueError("a run is longer than any picture")
        if not bits & 32:
            number -= (bits & 16) << (shift - 4)
            counts.append(number + (counts[-2] if len(counts) > 2 else 0))
            number = shift = 0
    return counts


def filled(counts: list[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """``(H, W)`` mask of runs of 0 and 1 in turn, down the columns. Raises ``ValueError`` unless they fill it."""
    height, width = size
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise ValueError("its runs do not add up to the picture")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T


def rle_area(rle: Mapping[str, Any]) -> int:
    """How many pixels the mask has."""
    return int(coco.area(rle))


def rle_box(rle: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Smallest box ``x0, y0, x1, y1`` px around the mask, half open; all zero for an empty mask."""
    x, y, width, height = (int(side) for side in coco.toBbox(rle))
    return x, y, x + width, y + height


def decode_segmentation(shape: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """``(H, W)`` mask of COCO's ``segmentation``: a list of polygons, or run lengths.

    Raises ``ValueError`` and whatever pycocotools raises for what is neither.
    """
    if isinstance(shape, list):
        drawn = coco.merge(coco.frPyObjects(polygons(shape, size), *size))
        return np.asarray(coco.decode(drawn).astype(bool))
    counts = shape["counts"]
    if tuple(shape["size"]) != size:
        raise ValueError(f"it is of {tuple(shape['size'])} px, its picture of {size}")
    return filled(run_lengths(counts) if isinstance(counts, str) else counts, size)


def polygons(shape: list[Any], size: tuple[int, int]) -> list[list[float]]:
    """Polygons that pycocotools can draw: it takes memory for every pixel along an edge, however far away."""
    given = [np.array(polygon, np.float64) for polygon in shape]  # each (2 * corners,)
    for polygon in given:
        if polygon.ndim != 1 or polygon.size < 6 or polygon.size % 2:
            raise ValueError("a polygon is a list of three or more x, y pairs")
        if not (np.abs(polygon) <= 2 * max(size)).all():
            raise ValueError("a polygon lies far outside of its picture")
        corners = polygon.reshape(-1, 2)  # (corners, 2)
        if np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1).sum() > LONGEST:
            raise ValueError(f"a polygon is more than {LONGEST} px around")
    return [polygon.tolist() for polygon in given]
