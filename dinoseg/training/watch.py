"""What a network in training is worth: neighbours by names of folders, and what it looks at in fixed photographs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.precision import inference
from dinoseg.draw.heads import heat
from dinoseg.errors import ImageError
from dinoseg.evaluation.datasets.labelled import TEST, TRAIN
from dinoseg.evaluation.features.embedding import Embedder, centre_crop, cls_token, crop_side, raw_pixels
from dinoseg.evaluation.metrics.neighbours import fitting, knn_votes, true_ranks
from dinoseg.images.decode import decode
from dinoseg.images.fit import resize
from dinoseg.types import Fit, Source

PICTURES = 2000
"""At most so many are compared, evenly spaced: the score is then good to one part in a hundred."""
NEIGHBOURS = 20
"""At most so many vote (``fitting``)."""
BATCH = 32
SHOWN = 6
TILE = 128
"""px, a side of one picture in the strip."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """Fixed pictures by which a network is looked at again and again."""

    labelled: tuple[Source, ...]
    labels: NDArray[np.int64]
    """``(n,)``"""
    shown: tuple[Source, ...]
    size: int
    """Side in px of the pictures that are compared; attention is looked at at twice that."""
    batch: int

    @classmethod
    def of(cls, sources: Sequence[Source], size: int, batch: int) -> Watch:
        """Pictures of a training folder; classes are the first folders on their ways, where there are two or more."""
        named = [(source, class_of(source.id)) for source in sources]
        counts = Counter(name for _, name in named)
        chosen = spaced([(source, name) for source, name in named if name and counts[name] > 1], PICTURES)
        classes = sorted({name for _, name in chosen})
        if len(classes) < 2:
            chosen = []
        labels = np.array([classes.index(name) for _, name in chosen], np.int64)
        shown = tuple(spaced(sources, SHOWN))
        return cls(tuple(source for source, _ in chosen), labels, shown, size, min(batch, BATCH))

    def look(self, backbone: Backbone, *, floors: bool) -> dict[str, Any]:
        """Share of pictures whose class their nearest neighbours among the others tell (``knn``, 0..1).

        ``floors`` adds the same of raw pixels, the share of the most frequent class, and how much was compared.
        Nothing without labels, or where the network gives no numbers.
        """
        if not self.labelled:
            return {}
        describe = {"knn": cls_token, **({"knn_pixels": raw_pixels} if floors else {})}
        side = crop_side(backbone.spec.patch, self.size)
        embedder = Embedder(backbone, lambda pixels: centre_crop(pixels, side), describe, batch=self.batch)
        seen = embedder(self.labelled)
        if len(seen.positions) < 2:
            return {}
        labels = torch.from_numpy(self.labels[seen.positions])
        found: dict[str, Any] = {name: top1(vectors, labels) for name, vectors in seen.vectors.items()}
        if floors:
            largest = int(labels.bincount().max())
            found |= {"chance": largest / len(labels), "pictures": len(labels), "classes": len(labels.unique())}
        return found

    @inference
    def strip(self, backbone: Backbone) -> tuple[Image.Image, float]:
        """The fixed photographs in a row, under each the mean of the heads' CLS attention, and how uneven that is.

        Each map goes from its least to its most: a young network looks everywhere nearly alike, and its maps would be
        one colour. The number says so: the most as a multiple of the mean, averaged; 1 is even, NaN is no map at all.
        """
        side = crop_side(backbone.spec.patch, 2 * self.size)
        grid = side // backbone.spec.patch
        frame = Fit((TILE, TILE), (side, side), (grid, grid), backbone.spec.patch)
        strip = Image.new("RGB", (max(1, len(self.shown)) * TILE, 2 * TILE), "white")
        peaks = []
        for column, source in enumerate(self.shown):
            try:
                pixels = centre_crop(decode(source).pixels, side)
            except ImageError:
                continue  # its place stays white; training lists it
            image = backbone.normalise(torch.from_numpy(pixels).to(backbone.device).permute(2, 0, 1))  # (3, side, side)
            seen = backbone(image[None]).attention
            assert seen is not None
            attention = seen[0].mean(0).float().cpu().numpy()  # (g, g)
            strip.paste(Image.fromarray(resize(pixels, frame.size)), (column * TILE, 0))
            if np.isfinite(attention).all():
                strip.paste(Image.fromarray(heat(attention - attention.min(), frame)), (column * TILE, TILE))
                peaks.append(float(attention.max() / attention.mean()))
        return strip, sum(peaks) / len(peaks) if peaks else math.nan


@contextmanager
def evaluating(backbone: Backbone) -> Iterator[None]:
    """A block in which batch norms neither look at the batch nor learn from it."""
    training = backbone.training
    backbone.eval()
    try:
        yield
    finally:
        backbone.train(training)


def top1(vectors: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of ``(n, d)`` whose own class their weighted neighbours vote for first."""
    k = fitting(NEIGHBOURS, labels)
    votes = knn_votes(vectors, labels, vectors, int(labels.max()) + 1, k=k, leave_one_out=True)
    return float((true_ranks(votes, labels) == 0).float().mean())


def class_of(id_: str) -> str:
    """The first folder on a picture's way; below ``train`` or ``val`` the second. Empty for a picture in none."""
    folders = id_.split("/")[:-1]
    if folders and folders[0] in (*TRAIN, *TEST):
        folders = folders[1:]
    return folders[0] if folders else ""


def spaced(items: Sequence[T], most: int) -> list[T]:
    """At most ``most`` of the items, evenly spaced, the same every time."""
    count = min(most, len(items))
    return [items[int((index + 0.5) * len(items) / count)] for index in range(count)]
