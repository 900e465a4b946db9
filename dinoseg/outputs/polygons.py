"""Masks as polygons, for formats of labelling tools: the one tracer that they share.

A part of a mask is an outline with holes. Corners lie on the edges of pixels (0 is the left edge of the first, W the
right edge of the last), so that a polygon covers what its mask covers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoseg.rle import decode_rle, decode_segmentation, rle_box

AGREEMENT = 0.99
"""IoU with the mask that polygons have at least."""
TOLERANCE = 0.002
"""By how much a polygon may be off at first, as a share of the mask's long side; 1 px at least."""


class Part(NamedTuple):
    """One connected part of a mask; arrays of corners ``(n, 2)``, ``x, y`` in px."""

    outline: NDArray[np.int32]
    holes: tuple[NDArray[np.int32], ...]

    def polygon(self) -> NDArray[np.int32]:
        """One polygon ``(n, 2)`` without holes: each is joined to the outline by a cut that has no width."""
        return reduce(joined, self.holes, self.outline)


def trace(rle: Mapping[str, Any]) -> list[Part]:
    """The parts of a mask that is not empty, the largest first, with as few corners as an IoU of 0.99 needs.

    Corners are left out (Douglas and Peucker 1973, "Algorithms for the reduction of the number of points required to
    represent a digitized line or its caricature") with a tolerance that is halved until the polygons agree with the
    mask; in the end with all corners, which is the mask itself.
    """
    x0, y0, x1, y1 = rle_box(rle)
    mask = decode_rle(rle)[y0:y1, x0:x1]  # (h, w)
    exact = trace_edges(mask)
    tolerance = max(1.0, TOLERANCE * max(mask.shape))
    parts = exact
    while tolerance >= 0.5:
        parts = [Part(simplified(part.outline, tolerance), simple_holes(part, tolerance)) for part in exact]
        if agreement(parts, mask) >= AGREEMENT:
            break
        parts, tolerance = exact, tolerance / 2
    corner = np.array([x0, y0], np.int32)
    return [Part(part.outline + corner, tuple(hole + corner for hole in part.holes)) for part in parts]


def trace_edges(mask: NDArray[np.bool_]) -> list[Part]:
    """The parts of a mask ``(h, w)`` along the edges of its pixels.

    OpenCV's contours run through the middles of pixels. In a mask of twice the size the first of a pixel's two
    middles stands for its left edge, the second for its right one.
    """
    twice = mask.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)  # (2h, 2w)
    contours, tree = cv2.findContours(twice, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = [simplified(np.asarray((contour[:, 0] + 1) // 2, np.int32), 0) for contour in contours]  # each (n, 2)
    parents = [-1] * len(rings) if tree is None else tree[0, :, 3].tolist()
    holes = {index: [ring for ring, above in zip(rings, parents, strict=True) if above == index] for index in parents}
    parts = [Part(rings[i], tuple(holes.get(i, ()))) for i, parent in enumerate(parents) if parent < 0]
    return sorted(parts, key=lambda part: -cv2.contourArea(part.outline))


def simplified(ring: NDArray[np.int32], tolerance: float) -> NDArray[np.int32]:
    """A closed ring ``(n, 2)`` with fewer corners, none of them farther than ``tolerance`` px from the new one."""
    simple = cv2.approxPolyDP(ring, tolerance, True)[:, 0]
    return np.asarray(simple if len(simple) >= 3 else ring, np.int32)


def simple_holes(part: Part, tolerance: float) -> tuple[NDArray[np.int32], ...]:
    """Its holes with fewer corners; those are left out that are smaller than the tolerance."""
    return tuple(simplified(hole, tolerance) for hole in part.holes if cv2.contourArea(hole) > tolerance**2)


def agreement(parts: Sequence[Part], mask: NDArray[np.bool_]) -> float:
    """IoU of the polygons of a mask's parts with the mask ``(h, w)``."""
    height, width = mask.shape
    drawn = decode_segmentation([flat(part.polygon()) for part in parts], (height, width))
    return float((drawn & mask).sum() / (drawn | mask).sum())


def one_polygon(parts: Sequence[Part]) -> NDArray[np.int32]:
    """All parts as one polygon ``(n, 2)``, joined by cuts that have no width, for tools that know one per object."""
    return reduce(joined, [part.polygon() for part in parts])


def joined(ring: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.int32]:
    """Two rings as one: from the corners that are nearest to each other over to the other, around it, and back."""
    from scipy.spatial import cKDTree  # every format is loaded when a run starts

    distances, nearest = cKDTree(ring).query(other)  # each (m,)
    j = int(distances.argmin())
    i = int(nearest[j])
    return np.concatenate([ring[: i + 1], other[j:], other[: j + 1], ring[i:]])


def flat(polygon: NDArray[np.int32]) -> list[float]:
    """``x, y, x, y ...`` as COCO has polygons."""
    return [float(value) for value in polygon.ravel()]
