"""A labelled folder as vectors, and what a protocol makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.backbone.base import Backbone
from dinoseg.errors import DatasetError
from dinoseg.evaluation import Progress
from dinoseg.evaluation.datasets.labelled import LabelledFolder, Part
from dinoseg.evaluation.features.embedding import Embedder, centre_crop, cls_token, crop_side, raw_pixels
from dinoseg.options import EvaluateOptions
from dinoseg.types import Failure

NETWORK, RAW = "network", "raw pixels"
"""Names of the vectors that are compared: those of the network, and the floor."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Pictures of one part that could be read."""

    pictures: Part
    vectors: dict[str, Tensor]
    """``NETWORK`` and ``RAW``: ``(n, d)`` each."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class number of each picture, ``(n,)``, 0 and up."""
        return self.pictures.labels


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """What is learned from and what is tested; where the folder is not divided, each picture against all others."""

    classes: tuple[str, ...]
    train: Side
    test: Side | None
    asked: NDArray[np.int64]
    """Positions of the tested pictures that are scored (split and every)."""
    failed: tuple[Failure, ...]

    @property
    def tested(self) -> Side:
        """The pictures that are scored are among these."""
        return self.train if self.test is None else self.test


@dataclass(slots=True)
class Counter:
    """Counts calls for a progress bar."""

    progress: Progress
    total: int
    done: int = 0

    def __call__(self) -> None:
        """One more picture is done."""
        self.done += 1
        self.progress(self.done, self.total)


def selected_positions(count: int, options: EvaluateOptions) -> NDArray[np.int64]:
    """Positions of the split, every n-th of them."""
    first, step = {"all": (0, 1), "even": (0, 2), "odd": (1, 2)}[options.split]
    return np.arange(first, count, step)[:: options.every]


def batch_size(backbone: Backbone, options: EvaluateOptions) -> int:
    """As everywhere: one picture at a time on a CPU."""
    return options.batch or (1 if backbone.device.type == "cpu" else 32)


def embed_folder(folder: LabelledFolder, backbone: Backbone, options: EvaluateOptions, progress: Progress) -> Gallery:
    """Vectors of all pictures that are learned from or scored. Raises ``DatasetError`` if no part can be read."""
    side = crop_side(backbone.spec.patch, options.size)
    describe = {NETWORK: cls_token, RAW: raw_pixels}
    embedder = Embedder(
        backbone,
        lambda pixels: centre_crop(pixels, side),
        describe,
        batch=batch_size(backbone, options),
        value_range=options.value_range,
        max_pixels=options.max_pixels,
    )
    test = None if folder.test is None else folder.test.take(selected_positions(len(folder.test), options))
    parts = [folder.train, *([] if test is None else [test])]
    count = Counter(progress, sum(map(len, parts)))
    sides, failed = [], list(folder.failed)
    for part in parts:
        embedding = embedder(part.sources, count)
        failed += embedding.failures
        if not len(embedding.positions):
            why = f": {embedding.failures[0].error}" if embedding.failures else ", for none is in this split."
            raise DatasetError(f"{folder.name}: none of {len(part)} pictures can be scored or learned from{why}")
        sides.append(Side(part.take(embedding.positions), embedding.vectors))
    asked = selected_positions(len(sides[0].labels), options) if test is None else np.arange(len(sides[1].labels))
    return Gallery(folder.classes, sides[0], None if test is None else sides[1], asked, tuple(failed))
