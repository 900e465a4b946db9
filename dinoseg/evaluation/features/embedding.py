"""One vector per picture: the frame of DINO's evaluations, a pass of the network, what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.features import Features
from dinoseg.backbone.memory import on_device, within_memory
from dinoseg.backbone.precision import inference
from dinoseg.errors import ImageError, NanFeatures, OptionError, OutOfMemory
from dinoseg.images.decode import decode
from dinoseg.images.feed import WORKERS, batches, read_ahead
from dinoseg.options import MAX_PIXELS
from dinoseg.types import Failure, Source

CROP = 224
"""px: the crop of the published protocols."""
BORDER = 256 / 224
"""The short side before the crop, in crops."""
PIXELS = 32
"""px: side of the pictures that are compared as they are."""

View: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""A photograph ``(H, W, 3)`` -> the frame that the network sees, ``(h, w, 3)``."""
Describe: TypeAlias = Callable[[Tensor, Features], Tensor]
"""Normalised images ``(B, 3, h, w)`` and their features -> one vector each, ``(B, d)``."""


def cls_token(images: Tensor, features: Features) -> Tensor:  # noqa: ARG001 (a Describe)
    """CLS after the final norm, ``(B, d)``."""
    assert features.cls is not None
    return features.cls


def raw_pixels(images: Tensor, features: Features) -> Tensor:  # noqa: ARG001 (a Describe)
    """The pictures themselves at 32 x 32 px, ``(B, 3072)``: what any feature must beat."""
    small = F.interpolate(images, (PIXELS, PIXELS), mode="bilinear", align_corners=False, antialias=True)
    return small.flatten(1)


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """Vectors of the pictures that could be read."""

    vectors: dict[str, Tensor]
    """By name of the description: ``(n, d)`` float32 on the CPU, in the order of the pictures."""
    positions: NDArray[np.int64]
    """``(n,)`` positions of these pictures among those that were given."""
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Embedder:
    """A network and what is kept of its features."""

    backbone: Backbone
    view: View
    describe: Mapping[str, Describe]
    facets: Collection[str] = ()
    """What ``describe`` needs beside the CLS token."""
    batch: int = 1
    value_range: tuple[float, float] | None = None
    """How pictures of more than 8 bit are read; see ``Source``."""
    max_pixels: int = MAX_PIXELS
    """Larger pictures are refused."""

    def __call__(self, sources: Iterable[Source | Failure], progress: Callable[[], object] = lambda: None) -> Embedding:
        """Describe pictures; one that cannot be read is listed and costs nothing else.

        Vectors are held, pictures are not. ``progress`` is called after every picture.
        """
        rows: dict[str, list[Tensor]] = {name: [] for name in self.describe}
        readable, failures = [], []
        for index, found in self.stream(sources):
            if isinstance(found, Failure):
                failures.append(found)
            else:
                readable.append(index)
                for name, vector in found.items():
                    rows[name].append(vector)
            progress()
        vectors = {name: torch.stack(found) if found else torch.zeros(0, 1) for name, found in rows.items()}
        return Embedding(vectors, np.array(readable, np.int64), tuple(failures))

    def stream(self, sources: Iterable[Source | Failure]) -> Iterator[tuple[int, dict[str, Tensor] | Failure]]:
        """Each picture's position with its vectors; pictures that can be read come in order."""
        frames = read_ahead(sources, self.frame, workers=WORKERS, ahead=self.batch + WORKERS)
        for group in batches(frames, shape_of, self.batch, 2 * self.batch):
            good = [frame for _, frame in group if not isinstance(frame, Failure)]
            if good:
                yield from zip((index for index, _ in group), self.look(good), strict=True)
            else:
                yield from ((index, frame) for index, frame in group if isinstance(frame, Failure))

    def frame(self, source: Source | Failure) -> tuple[Source, NDArray[np.uint8]] | Failure:
        """One picture in the frame of the network."""
        if isinstance(source, Failure):
            return source
        try:
            with within_memory(f"{source.id}: does not fit into memory."):
                return source, self.view(self.decode(source))
        except ImageError as error:
            return Failure(source.id, error, source)

    def decode(self, source: Source) -> NDArray[np.uint8]:
        """A photograph, ``(H, W, 3)``. Raises ``ImageError``."""
        return decode(source.with_values(self.value_range), max_pixels=self.max_pixels).pixels

    @inference
    def look(self, frames: Sequence[tuple[Source, NDArray[np.uint8]]]) -> list[dict[str, Tensor] | Failure]:
        """One pass of the network. Raises ``OptionError`` if the batch does not fit into memory."""
        backbone = self.backbone
        message = f"--batch {len(frames)} is too much for the memory of {backbone.device}: less."
        try:
            with on_device(backbone.device, message):
                pixels = torch.from_numpy(np.stack([frame for _, frame in frames])).to(backbone.device)  # (B, h, w, 3)
                images = backbone.normalise(pixels.permute(0, 3, 1, 2))  # (B, 3, h, w)
                features = backbone(images, facets=self.facets, cls=True)
        except OutOfMemory as error:
            raise OptionError(str(error)) from error
        described = {name: rule(images, features).float().cpu() for name, rule in self.describe.items()}  # (B, d) each
        vectors = [{name: rows[index] for name, rows in described.items()} for index in range(len(frames))]
        return [each if finite(each) else not_finite(source) for each, (source, _) in zip(vectors, frames, strict=True)]


def finite(vectors: Mapping[str, Tensor]) -> bool:
    """Whether a picture's vectors are all numbers."""
    return all(bool(vector.isfinite().all()) for vector in vectors.values())


def not_finite(source: Source) -> Failure:
    """The failure of a picture for which the network gave NaN."""
    return Failure(source.id, NanFeatures(f"{source.id}: the network gives NaN or infinite values."), source)


def embed(
    backbone: Backbone, sources: Iterable[Source | Failure], *, size: int | None = None, batch: int = 1
) -> Embedding:
    """CLS tokens of pictures in the published frame, under the name ``cls``: what k-NN compares."""
    side = crop_side(backbone.spec.patch, size)
    return Embedder(backbone, lambda pixels: centre_crop(pixels, side), {"cls": cls_token}, batch=batch)(sources)


def shape_of(frame: tuple[Source, NDArray[np.uint8]] | Failure) -> tuple[int, ...] | None:
    """What a batch must have in common; failures come alone."""
    return None if isinstance(frame, Failure) else frame[1].shape


def crop_side(patch: int, size: int | None) -> int:
    """Side of the crop: ``size`` px or the published 224, on the patch grid (220 with patches of 10 px)."""
    return max(patch, (size or CROP) // patch * patch)


def centre_crop(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The published frame: short side to ``side`` * 256 / 224 px (bicubic, antialiased), then the middle square."""
    short = round(side * BORDER)
    height, width = pixels.shape[:2]
    scale = short / min(height, width)
    size = (max(short, int(width * scale)), max(short, int(height * scale)))
    image = PIL.Image.fromarray(pixels).resize(size, PIL.Image.Resampling.BICUBIC)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return np.array(image)[top : top + side, left : left + side]  # (side, side, 3)


def squash(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The whole photograph as a square, bicubic: the frame of copy detection."""
    return np.array(PIL.Image.fromarray(pixels).resize((side, side), PIL.Image.Resampling.BICUBIC))
