"""Crops on which a network is pruned and healed: the same view at the teacher's size and at the student's."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from dinoseg.errors import CompressionError, ImageError
from dinoseg.images.decode import decode
from dinoseg.images.feed import read_ahead
from dinoseg.types import Photo, Source

log = logging.getLogger(__name__)
AREA = (0.35, 1.0)
ASPECT = (3 / 4, 4 / 3)
TRIES = 10


@dataclass(frozen=True, slots=True)
class CropFeed:
    """Random resized crops, each a function of (seed, stream, index) alone: any of them can be made again."""

    sources: Sequence[Source]
    sizes: tuple[int, ...]
    """Side in px of each copy of a crop (teacher, student)."""
    seed: int
    workers: int = 2

    def batches(self, stream: int, first: int, count: int, batch: int) -> Iterator[tuple[Tensor, ...]]:
        """Crops ``first .. first + count - 1`` of a stream, as one uint8 ``(b, 3, size, size)`` tensor per size."""
        indices = range(first, first + count)
        held: list[tuple[Tensor, ...]] = []
        for crop in read_ahead(indices, lambda i: self.crop(stream, i), workers=self.workers, ahead=2 * batch):
            held.append(crop)
            if len(held) == batch:
                yield stack(held)
                held = []
        if held:
            yield stack(held)

    def crop(self, stream: int, index: int) -> tuple[Tensor, ...]:
        """One crop at every size, uint8 ``(3, size, size)``; another photo is drawn for one that cannot be read."""
        generator = np.random.default_rng([self.seed, stream, index])
        failure: ImageError | None = None
        for _ in range(TRIES):
            source = self.sources[int(generator.integers(len(self.sources)))]
            try:
                photo = decode(source, reduce_to=2 * max(self.sizes))
            except ImageError as error:
                log.warning("%s; another photograph takes its place.", error)
                failure = error
                continue
            return resized_crops(photo, self.sizes, generator)
        raise CompressionError(f"{TRIES} photographs in a row cannot be read; the last: {failure}") from failure


def resized_crops(photo: Photo, sizes: Sequence[int], generator: np.random.Generator) -> tuple[Tensor, ...]:
    """One random view of a photo (area 0.35..1, aspect 3/4..4/3, flipped half of the time) at every size."""
    image = PIL.Image.fromarray(photo.pixels)
    box = random_box(image.width, image.height, generator)
    flip = generator.random() < 0.5
    crops = []
    for size in sizes:
        small = np.array(image.resize((size, size), PIL.Image.Resampling.BICUBIC, box=box))  # (size, size, 3)
        crop = torch.from_numpy(small).permute(2, 0, 1)
        crops.append(crop.flip(-1) if flip else crop)
    return tuple(crops)


def random_box(width: int, height: int, generator: np.random.Generator) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in px of a random resized crop; the largest central one of legal aspect if none fits."""
    for _ in range(TRIES):
        area = width * height * generator.uniform(*AREA)
        aspect = np.exp(generator.uniform(*np.log(ASPECT)))
        w, h = float(np.sqrt(area * aspect)), float(np.sqrt(area / aspect))
        if w <= width and h <= height:
            left, top = generator.uniform(0, width - w), generator.uniform(0, height - h)
            return left, top, left + w, top + h
    w, h = min(width, height * ASPECT[1]), min(height, width / ASPECT[0])
    return (width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2


def stack(crops: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """A list of crops at several sizes -> one batch per size."""
    return tuple(torch.stack(same) for same in zip(*crops, strict=True))
