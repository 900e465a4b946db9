"""Photographs that do not fit into memory: decoded again whenever they are wanted, in threads, ahead of the steps."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from threading import Lock

from torch import Tensor

from dinoseg.errors import ImageError, TrainingError
from dinoseg.images.feed import read_ahead
from dinoseg.training.cache import Photographs, frame, small_photo
from dinoseg.types import Failure, Source

log = logging.getLogger(__name__)
WORKERS = min(16, os.cpu_count() or 1)  # more than `feed.WORKERS`: these photographs are small
STEPS_AHEAD = 2


class PhotoStream(Photographs):
    """Photographs read from disk; a step gets the same pixels as from a ``PhotoCache``."""

    def __init__(
        self,
        sources: Sequence[Source],
        sizes: Sequence[tuple[int, int]],
        short_side: int,
        failed: Sequence[Failure] = (),
        max_broken: float = 1.0,
    ) -> None:
        """``sizes`` are those of ``small_photo`` at ``short_side``; ``max_broken`` as in ``check_share``."""
        super().__init__([source.id for source in sources], sizes, failed)
        self.sources, self.short_side, self.max_broken = list(sources), short_side, max_broken
        self.lost: set[int] = set()
        self.lock = Lock()

    def batches(self, steps: range, chosen: Callable[[int], Tensor]) -> Iterator[Tensor]:
        """Decoded in order by ``WORKERS`` threads, at most ``STEPS_AHEAD`` steps before they are asked for."""
        wanted = (index for step in steps for index in chosen(step).tolist())
        ahead = STEPS_AHEAD * len(chosen(steps.start)) if steps else 0
        photos = read_ahead(wanted, self.read, workers=WORKERS, ahead=ahead)
        for step in steps:
            yield frame(list(islice(photos, len(chosen(step)))))

    def read(self, index: int) -> Tensor:
        """One photograph. In the place of one that cannot be read any more stands the next one that can, at its size.

        Raises ``TrainingError`` when too many are lost.
        """
        height, width = self.sizes[index].tolist()
        for other in (*range(index, len(self)), *range(index)):
            try:
                return small_photo(self.sources[other], self.short_side, (height, width))
            except ImageError as error:
                self.lose(other, error)
        raise TrainingError("No photograph can be read any more: is the disk still there?")

    def lose(self, index: int, error: ImageError) -> None:
        """Count a photograph that was there when the run began, once."""
        with self.lock:
            if index not in self.lost:
                self.lost.add(index)
                self.failed.append(Failure(self.ids[index], error, self.sources[index]))
                log.warning("%s; others take its place.", error)
                check_share(self.failed, len(self) + len(self.failed) - len(self.lost), self.max_broken)


def check_share(failed: Sequence[Failure], count: int, allowed: float) -> None:
    """Raise ``TrainingError`` if more than a share ``allowed`` of ``count`` photographs failed."""
    if len(failed) > allowed * count:
        told = "; ".join(f"{failure.id}: {failure.reason}" for failure in failed[:5])
        raise TrainingError(
            f"{len(failed)} of {count} photographs cannot be read ({told} ...), more than --max-broken {allowed:g}: "
            "mend or remove them, or allow more."
        )
