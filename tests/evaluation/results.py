"""Results as the road gives them, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dinoseg.pipeline import Finished
from dinoseg.rle import encode_rle, rle_box
from dinoseg.segmentation import Segmentation
from dinoseg.types import Fit, Instance, Photo, Source
from tests.evaluation.sets import SIZE

PATCH = 8
GRID = (SIZE[0] // PATCH, SIZE[1] // PATCH)


def segmentation(masks: Sequence[NDArray[np.bool_]], attention: NDArray[np.float32] | None = None) -> Segmentation:
    """Objects with these masks ``(H, W)``; the photograph lies on the patch grid without padding."""
    soft = np.zeros(GRID, np.float32)
    instances = tuple(
        Instance(encode_rle(mask), rle_box(encode_rle(mask)), int(mask.sum()), 1 / label, label, soft)
        for label, mask in enumerate(masks, 1)
    )
    size = masks[0].shape if masks else SIZE
    fit = Fit(size, SIZE, GRID, PATCH)
    return Segmentation("", instances, None if masks else "no_object", fit, Source("", b""), "none", attention)


def finished(found: Segmentation, source: Source) -> Finished:
    """The same as it comes off the road, each object's mask as its soft mask."""
    made = replace(found, id=source.id, source=source)
    return Finished(
        made, Photo(source.id, np.zeros((*found.size, 3), np.uint8), found.size), made.masks.astype(np.float32)
    )


def heads(*masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Attention ``(heads, gh, gw)``: each head looks at one mask, evenly."""
    cells = np.stack([mask[PATCH // 2 :: PATCH, PATCH // 2 :: PATCH] for mask in masks]).astype(np.float32)
    return cells / cells.sum(axis=(1, 2), keepdims=True)
