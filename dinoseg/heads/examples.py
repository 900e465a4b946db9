"""What a head learns from: the features of photographs, with the masks that a method without training makes.

photographs -> backbone -> ``attention-cut`` -> refinement at full size -> filter -> cells of the patch grid

Each photograph is looked at three times: whole, cropped so that the frame cuts its object off, and spoiled by noise,
loss of contrast or compression. The mask is always that of the whole, good photograph, so the head learns what no mask
of the crop or the spoiled one says: that an object on the border is an object, and what one looks like in a poor
picture. Wholes and crops are of several sizes, as those of users are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.backbone.memory import within_memory
from dinoseg.encoding import Encoded, Encoder
from dinoseg.errors import DinosegError, MaskError
from dinoseg.heads.crops import cut_off
from dinoseg.images.corruptions import Condition, corrupted
from dinoseg.images.feed import WORKERS, read_ahead
from dinoseg.images.fit import BUDGET
from dinoseg.images.frames import Frame, frame_of
from dinoseg.images.labels import object_numbers
from dinoseg.methods.attention_cut import AttentionCut
from dinoseg.methods.grid import border_of
from dinoseg.pipeline import Proposed, Segmenter, propose
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
SAME = 0.85
"""IoU with the mask of ``OTHER`` that it must have: where the two differ, one of them is wrong."""
OTHER = AttentionCut(attended=1.5)
CUT_OFF, SPOILED = 0.5, 0.3
"""Weights of a crop and of a spoiled photograph beside a whole one."""
SIZES = (1, 1, 3 / 4, 5 / 8)
"""Shares of the long side that is asked for, one of which is drawn for each photograph."""
CORRUPTIONS = ("gaussian-noise", "contrast", "jpeg")
"""Of ``images.corruptions``: the others are left for judging."""
SEVERITIES = (2, 3, 4, 5)
SMALLEST_SIZE = 16
"""px: the least that may be asked for."""


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
    weight: float = 1.0
    """How much it counts."""


def examples(
    segmenter: Segmenter,
    sources: Iterable[Source | Failure],
    masks: Mapping[str, Path],
    *,
    seed: int = 0,
    stored: bool = False,
) -> Iterator[list[Example] | Failure]:
    """The examples of each photograph: none where its mask is not worth learning from; ``masks`` are by id.

    ``segmenter`` makes the masks of photographs that have none, by ``attention-cut``. ``seed``: of crops, sizes and
    corruptions.
    ``stored``: masks are in the frame of the photographs as stored, where sizes do not tell. A photograph or mask that
    cannot be used is a ``Failure`` in its place.
    """
    proposed = segmenter.encoder.stream(sources, segmenter.propose)
    learn = partial(examples_of, segmenter, encoders_of(segmenter), masks, seed, stored)
    yield from read_ahead(proposed, learn, workers=WORKERS, ahead=WORKERS)


def encoders_of(segmenter: Segmenter) -> list[Encoder]:
    """Its network at each of ``SIZES``."""
    assert segmenter.backbone
    whole = segmenter.options.size or BUDGET * segmenter.backbone.spec.patch
    return [
        segmenter.encoder
        if share == 1
        else segmenter.with_options(size=max(SMALLEST_SIZE, round(share * whole))).encoder
        for share in SIZES
    ]


def examples_of(
    segmenter: Segmenter,
    encoders: Sequence[Encoder],
    masks: Mapping[str, Path],
    seed: int,
    stored: bool,
    proposed: Proposed | Failure,
) -> list[Example] | Failure:
    """See ``examples``."""
    finished = segmenter.finish(proposed)
    if isinstance(finished, Failure) or isinstance(proposed, Failure):
        return finished if isinstance(finished, Failure) else []
    segmentation, encoded = finished.segmentation, proposed.encoded
    given = masks.get(segmentation.id)
    if segmentation.reason == "constant_image" or not (given or trusted(segmentation)):
        return []
    try:
        with within_memory(f"{segmentation.id}: its mask does not fit into memory."):
            mask, turned = read_mask(given, segmentation, stored) if given else (segmentation.mask, False)
            if not given and overlap(in_cells(mask, segmentation.fit), encoded) < SAME:
                return []
            draw = np.random.default_rng([seed, crc32(segmentation.id.encode())])
            encoder, pixels = encoders[int(draw.integers(len(encoders)))], encoded.photo.pixels
            views = [(encoded if encoder is segmenter.encoder else encoder(pixels), mask, 1.0)]
            if box := cut_off(mask, draw):
                views.append((encoder(np.ascontiguousarray(pixels[box])), mask[box], CUT_OFF))
            spoiled = corrupted(
                pixels, Condition(str(draw.choice(CORRUPTIONS)), int(draw.choice(SEVERITIES))), segmentation.id
            )
            views.append((segmenter.encoder(spoiled), mask, SPOILED))
            return [
                Example(features_of(seen), in_cells(own, seen.fit), bool(given), turned, w) for seen, own, w in views
            ]
    except DinosegError as error:
        return Failure(segmentation.id, error, segmentation.source)


def features_of(encoded: Encoded) -> Tensor:
    """The features of one photograph as they are kept, ``(N, d)``."""
    assert encoded.features is not None
    (facet,) = encoded.features.facets.values()
    return torch.asarray(facet)[0].flatten(0, 1).half().cpu()


def overlap(target: Tensor, encoded: Encoded) -> float:
    """IoU of a mask in cells with that of ``OTHER``."""
    (proposals,) = propose(OTHER, [encoded])
    if not proposals.objects:
        return 0.0
    rows, columns = encoded.fit.grid
    soft = cv2.resize(proposals.objects[0].soft, (columns * CELLS, rows * CELLS), interpolation=cv2.INTER_LINEAR)
    mask, other = target > 0.5, by_patch(soft, encoded.fit) > 0.5
    return float((mask & other).sum() / (mask | other).sum())


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
    return by_patch(cv2.resize(padded, (columns * CELLS, rows * CELLS), interpolation=cv2.INTER_AREA), fit).half()


def by_patch(cells: NDArray[Any], fit: Fit) -> Tensor:
    """A map of cells ``(gh CELLS, gw CELLS)`` patch by patch, ``(N, CELLS * CELLS)``."""
    rows, columns = fit.grid
    patches = torch.from_numpy(cells).reshape(rows, CELLS, columns, CELLS).transpose(1, 2)  # (gh, gw, CELLS, CELLS)
    return patches.reshape(rows * columns, CELLS * CELLS)
