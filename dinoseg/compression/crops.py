"""Crops on which a network is pruned and healed: the same view at the teacher's size and at the student's."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, tee
from typing import TypeAlias

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from dinoseg.errors import CompressionError, ImageError
from dinoseg.images.decode import decode
from dinoseg.images.feed import WORKERS, read_ahead
from dinoseg.types import Photo, Source

log = logging.getLogger(__name__)
AREA = (0.35, 1.0)
ASPECT = (3 / 4, 4 / 3)
TRIES = 10
Size: TypeAlias = tuple[int, int]
"""Height and width in px."""


@dataclass(frozen=True, slots=True)
class Request:
    """The crops of one batch."""

    indices: range
    """Their numbers in the stream."""
    sizes: tuple[Size, ...]
    """Of each copy of a crop (teacher, student), all of one shape."""


def evenly(count: int, batch: int, *sizes: Size) -> Iterator[Request]:
    """Crops ``0 .. count - 1`` of a stream, ``batch`` at a time."""
    return (Request(range(first, min(first + batch, count)), sizes) for first in range(0, count, batch))


@dataclass(frozen=True, slots=True)
class CropFeed:
    """Random resized crops, each a function of (seed, stream, index) and its shape alone: any can be made again."""

    sources: Sequence[Source]
    seed: int
    workers: int = WORKERS
    ahead: int = 64
    """Crops made ahead of those asked for."""

    def batches(self, stream: int, requests: Iterable[Request]) -> Iterator[tuple[Tensor, ...]]:
        """For each request one uint8 ``(b, 3, height, width)`` tensor per size."""
        asked, told = tee(requests)
        each = ((index, request.sizes) for request in asked for index in request.indices)
        crops = read_ahead(each, lambda one: self.crop(stream, *one), workers=self.workers, ahead=self.ahead)
        for request in told:
            yield stack(list(islice(crops, len(request.indices))))

    def crop(self, stream: int, index: int, sizes: Sequence[Size]) -> tuple[Tensor, ...]:
        """One crop at every size, uint8 ``(3, height, width)``; another photo is drawn for one that cannot be read."""
        generator = np.random.default_rng([self.seed, stream, index])
        failure: ImageError | None = None
        for _ in range(TRIES):
            source = self.sources[int(generator.integers(len(self.sources)))]
            try:
                photo = decode(source, reduce_to=2 * max(max(size) for size in sizes))
            except ImageError as error:
                log.warning("%s; another photograph takes its place.", error)
                failure = error
                continue
            return resized_crops(photo, sizes, generator)
        raise CompressionError(f"{TRIES} photographs in a row cannot be read; the last: {failure}") from failure


def resized_crops(photo: Photo, sizes: Sequence[Size], generator: np.random.Generator) -> tuple[Tensor, ...]:
    """One random view of a photo (area 0.35..1, aspect 3/4..4/3 of the crop's own, half of them flipped)."""
    image = PIL.Image.fromarray(photo.pixels)
    height, width = sizes[0]
    box = random_box(image.width, image.height, width / height, generator)
    flip = generator.random() < 0.5
    crops = []
    for size in sizes:
        small = np.array(image.resize(size[::-1], PIL.Image.Resampling.BICUBIC, box=box))  # (height, width, 3)
        crop = torch.from_numpy(small).permute(2, 0, 1)
        crops.append(crop.flip(-1) if flip else crop)
    return tuple(crops)


def random_box(
    width: int, height: int, shape: float, generator: np.random.Generator
) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in px of a random resized crop for a copy ``shape`` times as wide as high.

    The largest central one of legal aspect if none fits.
    """
    for _ in range(TRIES):
        area = width * height * generator.uniform(*AREA)
        aspect = shape * np.exp(generator.uniform(*np.log(ASPECT)))
        w, h = float(np.sqrt(area * aspect)), float(np.sqrt(area / aspect))
        if w <= width and h <= height:
            left, top = generator.uniform(0, width - w), generator.uniform(0, height - h)
            return left, top, left + w, top + h
    w, h = min(width, height * shape * ASPECT[1]), min(height, width / shape / ASPECT[0])
    return (width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2


def stack(crops: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """A list of crops at several sizes -> one batch per size."""
    return tuple(torch.stack(same) for same in zip(*crops, strict=True))
