"""Masks of a video's frames that are averaged with those of the frames around."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinoseg.evaluation.datasets.base import Sample
from dinoseg.evaluation.predictions.base import Predicted, from_soft, union
from dinoseg.evaluation.protocols.base import Maker


class Smoothed:
    """Predictions of another maker, each the mean soft mask of up to ``reach`` frames before to ``reach`` after.

    The foreground as a whole: objects are not told apart. A frame that failed stays failed and is in no mean. So many
    frames are held at a time as are averaged.
    """

    def __init__(self, maker: Maker, reach: int) -> None:
        self.maker, self.reach = maker, reach

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Predicted | str]:
        """The prediction for each frame, or why there is none."""
        made = iter(self.maker(samples))
        for _, video in groupby(samples, lambda sample: sample.sequence):
            yield from self.smooth(next(made) for _ in video)

    def smooth(self, frames: Iterable[Predicted | str]) -> Iterator[Predicted | str]:
        """One video."""
        around: deque[tuple[Predicted | str, NDArray[np.float32] | None]] = deque(maxlen=2 * self.reach + 1)
        padded = chain(
            ((frame, None if isinstance(frame, str) else union(frame)) for frame in frames),
            repeat(("", None), self.reach),
        )
        for number, known in enumerate(padded):
            around.append(known)
            if number >= self.reach:
                middle = around[-1 - self.reach][0]
                yield middle if isinstance(middle, str) else averaged(middle, [x for _, x in around if x is not None])

    def facts(self) -> dict[str, Any]:
        """The part of the report that says what was scored."""
        facts = self.maker.facts()
        return facts | {"options": facts["options"] | {"smooth": self.reach}}


def averaged(frame: Predicted, masks: Sequence[NDArray[np.float32]]) -> Predicted:
    """The frame with the mean of those masks that are of its size."""
    return from_soft(frame.source, np.mean([mask for mask in masks if mask.shape == frame.size], axis=0))
