"""Truth and predictions in one frame: that of the upright picture, whichever they were drawn in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from dinoseg.evaluation.datasets.base import Sample, Truth
from dinoseg.evaluation.metrics.masks import Mask
from dinoseg.evaluation.predictions.base import turned_prediction
from dinoseg.images.frames import Frame, frame_of
from dinoseg.images.turns import Turn
from dinoseg.options import EvaluateOptions
from dinoseg.segmentation import Segmentation

UPRIGHT = Frame((0, 0), 1)
"""Of a picture that cannot be read: nothing is turned."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Brings both sides of a picture upright."""

    options: EvaluateOptions

    def truth(self, sample: Sample, frame: Frame | None = None) -> tuple[Truth, bool]:
        """The truth upright, and whether it had to be turned. Raises ``DatasetError``."""
        truth = sample.truth()
        size = (truth.foreground.shape[0], truth.foreground.shape[1])
        turn = (frame or frame_of(sample.image) or UPRIGHT).turn(size, self.options.stored_frame in ("truth", "both"))
        return (upright(truth, turn, size), True) if turn else (truth, False)

    def both(self, sample: Sample, prediction: Segmentation) -> tuple[Truth, Segmentation, tuple[str, ...]]:
        """Truth, prediction, and what was turned (``Row.exif``). Only predictions in files have to be."""
        frame = frame_of(sample.image) or UPRIGHT
        truth, truth_turned = self.truth(sample, frame)
        stored = self.options.stored_frame in ("predictions", "both")
        turn = frame.turn(prediction.size, stored) if self.options.predictions else None
        notes = {
            "pictures": frame.turned,
            "truth": truth_turned,
            "predictions": turn is not None,
            "untold": frame.turned and frame.stored == frame.upright,
        }
        upright_prediction = turned_prediction(prediction, turn) if turn else prediction
        return truth, upright_prediction, tuple(note for note, holds in notes.items() if holds)


def upright(truth: Truth, turn: Turn, size: tuple[int, int]) -> Truth:
    """A truth of ``(H, W)`` px in another frame."""

    def masks(given: Iterable[Mask]) -> list[Mask]:
        return [turn.array(mask) for mask in given]

    boxes = truth.boxes
    return replace(
        truth,
        foreground=turn.array(truth.foreground),
        objects=lambda: masks(truth.objects()),
        void=None if truth.void is None else turn.array(truth.void),
        boxes=None if boxes is None else lambda: turn.boxes(boxes(), size),
        crowds=lambda: masks(truth.crowds()),
        class_map=None if truth.class_map is None else turn.array(truth.class_map),
        numbers=None if truth.numbers is None else turn.array(truth.numbers),
    )
