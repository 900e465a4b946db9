"""The connected pieces of a mask: crumbs and pinholes that a refinement leaves over, and parts as objects."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

CRUMB = 0.01
"""Area of the largest piece below which a further one is dropped."""
PINHOLE = 0.003
"""Area of the largest piece below which a hole is filled; holes are smaller than pieces, since true ones are common.

Both keep IoU and boundary F on the even halves of DUTS and VOC 2012, or raise them (``benchmarks/refinement.py``)."""

SMALLEST_PART = 0.08
"""Area of the largest part below which another part is no object of its own."""


def without_crumbs(soft: NDArray[np.float32]) -> NDArray[np.float32]:
    """A soft mask ``(H, W)`` in 0..1 without crumbs and pinholes; the array is changed and returned.

    A piece is what hangs together, corners included, above 0.5; a hole is background that no straight step leads out
    of. Both are mirrored at 0.5, so that soft edges stay continuous.
    """
    mask = soft > 0.5
    largest = drop_crumbs(soft, mask)
    fill_pinholes(soft, ~mask, largest)
    return soft


def drop_crumbs(soft: NDArray[np.float32], mask: NDArray[np.bool_]) -> int:
    """Mirror the small pieces of a mask; the pixels of the largest piece, 0 where there is none."""
    pieces, areas = components(mask, 8)
    largest = int(areas.max(initial=0))
    mirror(soft, pieces, areas < CRUMB * largest)
    return largest


def fill_pinholes(soft: NDArray[np.float32], background: NDArray[np.bool_], largest: int) -> None:
    """Mirror the small parts of the background that do not reach the frame."""
    holes, areas = components(background, 4)
    frame = np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]])
    enclosed = np.bincount(frame, minlength=len(areas) + 1)[1:] == 0
    mirror(soft, holes, enclosed & (areas < PINHOLE * largest))


def components(mask: NDArray[np.bool_], connectivity: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Connected components of a mask as a map ``(H, W)``, 0 outside and 1..n, and the pixels of each, ``(n,)``."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=connectivity)
    return np.asarray(labels, np.int32), np.asarray(stats[1:, cv2.CC_STAT_AREA], np.int32)


def mirror(soft: NDArray[np.float32], labels: NDArray[np.int32], chosen: NDArray[np.bool_]) -> None:
    """Mirror the soft mask at 0.5 where a chosen component (of 1..n) is."""
    if chosen.any():
        where = np.concatenate([[False], chosen])[labels]  # (H, W)
        soft[where] = 1 - soft[where]


def connected_parts(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The objects of a mask ``(H, W)`` with something in it, largest first: what hangs together, corners included."""
    labels, areas = components(mask, 8)
    order = np.argsort(-areas, kind="stable")
    return [labels == place + 1 for place in order if areas[place] >= SMALLEST_PART * areas[order[0]]]


def own_part(soft: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A soft mask ``(H, W)`` of several parts as that of one of them: 0 where the rest of it is nearer."""
    rest = (soft > 0.5) & ~mask
    if not rest.any():
        return soft
    to_mask, to_rest = (
        cv2.distanceTransform((~each).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3) for each in (mask, rest)
    )
    return np.where(to_mask <= to_rest, soft, np.float32(0))
