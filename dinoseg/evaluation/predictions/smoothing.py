"""Masks of a video's frames that are averaged with those of the frames around."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby, repeat

import numpy as np
from numpy.typing import NDArray

from dinoseg.evaluation.datasets.base import Sample
from dinoseg.evaluation.predictions.base import Predictor, from_soft, union
from dinoseg.evaluation.report import Subject
from dinoseg.segmentation import Segmentation


class Smoothed:
    """Predictions of another predictor, each the mean soft mask of up to ``reach`` frames before to ``reach`` after.

    The foreground as a whole: objects are not told apart. A frame that failed stays failed and is in no mean. So many
    frames are held at a time as are averaged.
    """

    def __init__(self, predictor: Predictor, reach: int) -> None:
        self.predictor, self.reach = predictor, reach

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Segmentation | str]:
        """The prediction for each frame, or why there is none."""
        predictions = iter(self.predictor(samples))
        for _, video in groupby(samples, lambda sample: sample.sequence):
            yield from self.smooth(next(predictions) for _ in video)

    def smooth(self, frames: Iterable[Segmentation | str]) -> Iterator[Segmentation | str]:
        """The frames of one video, in order, each averaged over its neighbours."""
        around: deque[tuple[Segmentation | str, NDArray[np.float32] | None]] = deque(maxlen=2 * self.reach + 1)
        padded = chain(
            ((frame, None if isinstance(frame, str) else union(frame)) for frame in frames),
            repeat(("", None), self.reach),
        )
        for number, frame_and_mask in enumerate(padded):
            around.append(frame_and_mask)
            if number >= self.reach:
                middle = around[-1 - self.reach][0]
                yield middle if isinstance(middle, str) else averaged(middle, [x for _, x in around if x is not None])

    @property
    def subject(self) -> Subject:
        """What is scored."""
        subject = self.predictor.subject
        line = f"- masks: averaged over {self.reach} frames before to {self.reach} after"
        options = subject.options | {"smooth": self.reach}
        return replace(subject, options=options, lines=(*subject.lines, line))


def averaged(frame: Segmentation, masks: Sequence[NDArray[np.float32]]) -> Segmentation:
    """The frame with the mean of those masks that are of its size."""
    return from_soft(frame.source, np.mean([mask for mask in masks if mask.shape == frame.size], axis=0))
