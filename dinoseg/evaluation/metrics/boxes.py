"""Boxes in pixels: around masks, inside pictures, and how far they overlap."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dinoseg.evaluation.metrics.masks import Mask

Boxes = NDArray[np.float64]
"""``(n, 4)``: x0, y0, x1, y1 px, half open."""
FAR = 100_000
"""px: no picture reaches so far. The area of a box of that side is the largest that pycocotools counts."""


def box_iou(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Intersection over union of every box ``(n, 4)`` with every other ``(m, 4)``, ``(n, m)``; no pixel is added."""
    first, second = first[:, None], second[None]  # (n, 1, 4), (1, m, 4)
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])  # (n, m, 2)
    shared = sides.clip(0).prod(axis=-1)
    union = box_area(first) + box_area(second) - shared
    return shared / np.where(union > 0, union, 1)


def box_area(boxes: Boxes) -> NDArray[np.float64]:
    """Width times height, ``(...,)``."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)


def mask_box(mask: Mask) -> tuple[int, int, int, int]:
    """The smallest box around a mask ``(H, W)``; all zero for an empty one."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return x, y, x + width, y + height


def beside(box: ArrayLike, size: tuple[int, int]) -> bool:
    """Whether a box ``(4,)`` has nothing in common with a picture of ``(H, W)`` px."""
    x0, y0, x1, y1 = np.asarray(box, np.float64)
    return bool(x1 < 0 or y1 < 0 or x0 >= size[1] or y0 >= size[0])


def inside(box: ArrayLike, size: tuple[int, int]) -> Mask:
    """The pixels of a box ``(4,)``, however far it reaches beyond them, ``(H, W)``."""
    height, width = size
    x0, y0, x1, y1 = np.asarray(box, np.float64).round().clip(0, (width, height, width, height)).astype(int)
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask
