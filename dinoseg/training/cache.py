"""Photographs, decoded to the size at which they are augmented: all of them held, on the device or in memory."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from dinoseg.images.decode import decode
from dinoseg.images.feed import read_ahead
from dinoseg.images.fit import resize
from dinoseg.training.operations import sent
from dinoseg.types import Failure, Source

SHORT_SIDE = 1.5
"""Short side of a kept photograph, in sides of a global crop; larger ones are shrunk to it, none is enlarged."""
LONGEST = 3
"""Long side at most this many times the short side as kept: a panorama is shrunk further."""


class Photographs(ABC):
    """Upright RGB photographs of different sizes, all of which could be read when the run began."""

    def __init__(self, ids: Sequence[str], sizes: Sequence[tuple[int, int]], failed: Sequence[Failure] = ()) -> None:
        self.ids = list(ids)
        self.sizes = torch.tensor(sizes).reshape(-1, 2)  # (N, 2), on the CPU
        self.failed = list(failed)
        """Those that could not be read; a later failure is added."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        """Tells this collection from others: hash of ids and kept sizes, in order."""
        listed = "\n".join(f"{id_} {size}" for id_, size in zip(self.ids, self.sizes.tolist(), strict=True))
        return hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()

    @abstractmethod
    def batches(self, steps: range, chosen: Callable[[int], Tensor]) -> Iterator[Tensor]:
        """``frame`` of the photographs of each step, whose indices ``(B,)`` are ``chosen(step)``; in order."""


class PhotoCache(Photographs):
    """All photographs as uint8 ``(3, h, w)`` in memory."""

    def __init__(self, ids: Sequence[str], photos: Sequence[Tensor], failed: Sequence[Failure] = ()) -> None:
        super().__init__(ids, [(photo.shape[1], photo.shape[2]) for photo in photos], failed)
        self.photos = list(photos)

    @property
    def nbytes(self) -> int:
        """Bytes that the pixels of all photographs take."""
        return sum(photo.nbytes for photo in self.photos)

    def batch(self, indices: Tensor) -> Tensor:
        """``frame`` of some of them."""
        return frame([self.photos[index] for index in indices.tolist()])

    def batches(self, steps: range, chosen: Callable[[int], Tensor]) -> Iterator[Tensor]:
        """Put together by a thread, ahead of the steps."""
        return read_ahead(map(chosen, steps), self.batch, workers=1, ahead=2)


class DeviceCache(Photographs):
    """All photographs on a device, one behind the other, so that a batch is gathered in one go."""

    def __init__(self, cache: PhotoCache, device: torch.device) -> None:
        super().__init__(cache.ids, [(height, width) for height, width in cache.sizes.tolist()], cache.failed)
        areas = self.sizes.prod(1)  # (N,)
        self.starts = areas.cumsum(0) - areas
        self.pixels = torch.empty(int(areas.sum()), 3, dtype=torch.uint8, device=device)  # (all pixels, 3)
        for photo, place in zip(cache.photos, self.pixels.split(areas.tolist()), strict=True):
            place.copy_(photo.permute(1, 2, 0).flatten(0, 1))

    def batch(self, indices: Tensor) -> Tensor:
        """``frame`` of some of them."""
        device = self.pixels.device
        height, width = self.sizes[indices].amax(0).tolist()
        start, high, wide = sent(torch.column_stack([self.starts, self.sizes])[indices], device).T[..., None, None]
        row, column = torch.arange(height, device=device)[:, None], torch.arange(width, device=device)
        inside = (row < high) & (column < wide)  # (B, H, W)
        place = torch.where(inside, start + row * wide + column, 0)
        return (self.pixels[place] * inside[..., None]).permute(0, 3, 1, 2)

    def batches(self, steps: range, chosen: Callable[[int], Tensor]) -> Iterator[Tensor]:
        """Gathered when they are asked for."""
        return map(self.batch, map(chosen, steps))


def frame(photos: Sequence[Tensor]) -> Tensor:
    """Pixels uint8 ``(B, 3, H, W)``, each photograph in the top left corner of the frame; channels last in memory."""
    height, width = (max(photo.shape[side] for photo in photos) for side in (1, 2))
    pixels = photos[0].new_zeros(len(photos), height, width, 3).permute(0, 3, 1, 2)  # (B, 3, H, W)
    for row, photo in zip(pixels, photos, strict=True):
        row[:, : photo.shape[1], : photo.shape[2]] = photo
    return pixels


def small_photo(source: Source, short_side: int, size: tuple[int, int] | None = None) -> Tensor:
    """One photograph as it is kept, uint8 ``(3, h, w)``, channels last in memory; of another ``size`` if so asked.

    Raises ``ImageError``.
    """
    pixels = decode(source, reduce_to=LONGEST * short_side).pixels
    short, long = sorted(pixels.shape[:2])
    scale = min(1.0, short_side / short, LONGEST * short_side / long)
    own = (max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale)))
    return torch.from_numpy(np.ascontiguousarray(resize(pixels, size or own))).permute(2, 0, 1)
