"""What a head learns from: the features of photographs, with the masks that a method without training makes.

photographs -> backbone -> ``attention-cut`` -> refinement at full size -> filter -> cells of the patch grid
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.backbone.features import Array
from dinoseg.backbone.memory import within_memory
from dinoseg.errors import MaskError, OutOfMemory
from dinoseg.images.feed import WORKERS, read_ahead
from dinoseg.images.frames import Frame, frame_of
from dinoseg.images.labels import object_numbers
from dinoseg.methods.grid import border_of
from dinoseg.pipeline import Proposed, Segmenter
from dinoseg.segmentation import Segmentation
from dinoseg.types import Failure, Fit, Source

CELLS = 4
"""Cells along each side of a patch."""
SMALLEST, LARGEST = 0.02, 0.6
"""Share of the photograph that a mask may cover to be learned from."""
CONTACT = 0.5
"""Share of the border that it may cover."""
AGREEMENT = 0.3
"""Score that it must have."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One photograph with a mask."""

    features: Tensor
    """``(N, d)``, float16, on the CPU."""
    target: Tensor
    """Share of each cell that is object, ``(N, CELLS * CELLS)``, float16 in 0..1."""
    labelled: bool
    """Whether the mask was given."""
    turned: bool = False
    """Whether EXIF turned it with its photograph."""


def examples(
    segmenter: Segmenter, sources: Iterable[Source | Failure], masks: Mapping[str, Path], *, stored: bool = False
) -> Iterator[Example | Failure | None]:
    """An example of each photograph, None where its mask is not worth learning from; ``masks`` are by id.

    ``segmenter`` makes the masks of photographs that have none, by a method that looks at one facet. ``stored``: masks
    are in the frame of the photographs as stored, where sizes do not tell. A photograph or mask that cannot be used is
    a ``Failure`` in its place.
    """
    proposed = segmenter.encoder.stream(sources, segmenter.propose)
    yield from read_ahead(proposed, partial(example, segmenter, masks, stored), workers=WORKERS, ahead=WORKERS)


def example(
    segmenter: Segmenter, masks: Mapping[str, Path], stored: bool, proposed: Proposed | Failure
) -> Example | Failure | None:
    """See ``examples``."""
    finished = segmenter.finish(proposed)
    if isinstance(finished, Failure) or isinstance(proposed, Failure):
        return finished if isinstance(finished, Failure) else None
    segmentation, given = finished.segmentation, masks.get(finished.segmentation.id)
    if segmentation.reason == "constant_image" or not (given or trusted(segmentation)):
        return None
    features = proposed.encoded.features
    assert features is not None
    (facet,) = features.facets.values()
    try:
        with within_memory(f"{segmentation.id}: its mask does not fit into memory."):
            mask, turned = read_mask(given, segmentation, stored) if given else (segmentation.mask, False)
            return Example(on_cpu(facet), in_cells(mask, segmentation.fit), bool(given), turned)
    except (MaskError, OutOfMemory) as error:
        return Failure(segmentation.id, error, segmentation.source)


def on_cpu(facet: Array) -> Tensor:
    """The features of one photograph ``(1, gh, gw, d)`` as they are kept, ``(N, d)``."""
    return torch.asarray(facet)[0].flatten(0, 1).half().cpu()


def trusted(found: Segmentation) -> bool:
    """Whether a mask is likely to be an object: neither tiny nor all, off the border, and the attention agrees."""
    if not found.instances:
        return False
    mask = found.mask
    fine = SMALLEST <= mask.mean() <= LARGEST and mask[border_of(mask.shape)].mean() <= CONTACT
    return bool(fine and found.scores[0] >= AGREEMENT)


def read_mask(path: Path, found: Segmentation, stored: bool) -> tuple[NDArray[np.bool_], bool]:
    """A mask ``(H, W)`` that a person drew (any object), and whether it was turned upright. Raises ``MaskError``."""
    content = found.source.content
    frame = (frame_of(Path(content)) if isinstance(content, str | Path) else None) or Frame(found.size, 1)
    mask = object_numbers(path) > 0
    turn = frame.turn(mask.shape, stored)
    mask = turn.array(mask) if turn else mask
    if mask.shape != found.size:
        told = f"{mask.shape[1]} x {mask.shape[0]} px, its photograph is {frame}"
        raise MaskError(f"{path} has {told}: a mask has the size of its photograph.")
    return mask, turn is not None


def in_cells(mask: NDArray[np.bool_], fit: Fit) -> Tensor:
    """Share of each cell that a mask ``(H, W)`` covers, patch by patch, ``(N, CELLS * CELLS)``, float16.

    Cells in the padding go on as the edge of the photograph.
    """
    height, width = fit.scaled
    scaled = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    frame = [(0, gap * fit.patch - length) for gap, length in zip(fit.grid, fit.scaled, strict=True)]
    padded = np.pad(scaled, frame, mode="edge")
    rows, columns = fit.grid
    cells = cv2.resize(padded, (columns * CELLS, rows * CELLS), interpolation=cv2.INTER_AREA)
    patches = torch.from_numpy(cells).reshape(rows, CELLS, columns, CELLS).transpose(1, 2)  # (gh, gw, CELLS, CELLS)
    return patches.reshape(rows * columns, CELLS * CELLS).half()
