"""Photographs decoded once: augmentation reads pixels, not files, so nothing waits for a decoder after the start."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from dinoseg.errors import ImageError, TrainingError
from dinoseg.images.decode import decode
from dinoseg.images.feed import read_ahead
from dinoseg.images.find import find
from dinoseg.images.fit import resize
from dinoseg.options import InputOptions
from dinoseg.types import Failure, Source

SHORT_SIDE = 1.5
"""Short side of a kept photograph, in sides of a global crop; larger ones are shrunk to it, none is enlarged."""
LONGEST = 3
"""Long side at most this many times the short side as kept: a panorama is shrunk further."""
BROKEN_SHARE = 0.1
"""More broken photographs than this, and something else is wrong: training does not start."""
DEVICE_SHARE = 0.5
"""Of a GPU's free memory that the photographs may take."""
WORKERS = min(16, os.cpu_count() or 1)


class PhotoCache:
    """Upright RGB photographs of different sizes, uint8, on one device."""

    def __init__(self, ids: Sequence[str], photos: Sequence[Tensor]) -> None:
        """``photos`` are uint8 ``(3, h, w)``."""
        self.ids, self.photos = list(ids), list(photos)
        self.sizes = torch.tensor([photo.shape[1:] for photo in photos]).reshape(-1, 2)  # (N, 2), on the CPU

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def device(self) -> torch.device:
        """Where the pixels are."""
        return self.photos[0].device

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return sum(photo.nbytes for photo in self.photos)

    @property
    def digest(self) -> str:
        """Tells this collection from others: hash of ids and kept sizes, in order."""
        listed = "\n".join(f"{id_} {size}" for id_, size in zip(self.ids, self.sizes.tolist(), strict=True))
        return hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()

    def to(self, device: torch.device) -> PhotoCache:
        """The same photographs on a device."""
        return PhotoCache(self.ids, [photo.to(device) for photo in self.photos])

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels uint8 ``(B, 3, H, W)``, each photograph in the top left corner of the frame, and sizes ``(B, 2)``."""
        sizes = self.sizes[indices]
        height, width = sizes.amax(0).tolist()
        pixels = self.photos[0].new_zeros(len(indices), 3, height, width)
        for row, index in enumerate(indices.tolist()):
            photo = self.photos[index]
            pixels[row, :, : photo.shape[1], : photo.shape[2]] = photo
        return pixels, sizes


def load_photos(images: Sequence[str | Path], short_side: int, exclude: Path) -> tuple[PhotoCache, list[Failure]]:
    """Decode all photographs into memory, in the order of ``find``; ``exclude`` is a folder that is left out.

    Raises ``TrainingError`` if more than a tenth of them is broken.
    """

    def load(found: Source | Failure) -> tuple[str, Tensor] | Failure:
        if isinstance(found, Failure):
            return found
        try:
            return found.id, small_photo(found, short_side)
        except ImageError as error:
            return Failure(found.id, error, found)

    listing = find(images, InputOptions(), exclude=exclude)
    results = read_ahead(listing, load, workers=WORKERS, ahead=4 * WORKERS)
    ids, photos, failures = [], [], []
    for result in tqdm(results, desc="decode", unit="photo", disable=None):
        if isinstance(result, Failure):
            failures.append(result)
        else:
            ids.append(result[0])
            photos.append(result[1])
    if len(failures) > BROKEN_SHARE * (len(ids) + len(failures)):
        told = "; ".join(f"{failure.id}: {failure.reason}" for failure in failures[:5])
        raise TrainingError(
            f"{len(failures)} of {len(ids) + len(failures)} photographs cannot be read ({told} ...): "
            f"more than {BROKEN_SHARE:.0%} is too much to train on the rest; mend or remove them."
        )
    return PhotoCache(ids, photos), failures


def small_photo(source: Source, short_side: int) -> Tensor:
    """One photograph as it is kept, uint8 ``(3, h, w)``. Raises ``ImageError``."""
    pixels = decode(source, reduce_to=LONGEST * short_side).pixels
    short, long = sorted(pixels.shape[:2])
    scale = min(1.0, short_side / short, LONGEST * short_side / long)
    size = (max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale)))
    return torch.from_numpy(np.ascontiguousarray(resize(pixels, size).transpose(2, 0, 1)))


def place(cache: PhotoCache, device: torch.device, where: Literal["auto", "device", "memory"]) -> PhotoCache:
    """Put the photographs where they are kept; ``auto`` is the device if half of its free memory holds them."""
    if device.type == "cpu" or where == "memory":
        return cache
    if where == "auto" and device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        where = "device" if cache.nbytes <= DEVICE_SHARE * free else "memory"
    return cache.to(device) if where == "device" else cache
