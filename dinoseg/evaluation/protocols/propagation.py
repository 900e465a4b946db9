"""``davis-propagation``: the first frame's truth, followed through each video of DAVIS by the likeness of patches."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import DatasetError, ImageError, OptionError
from dinoseg.evaluation.aggregate import by_sequence, score
from dinoseg.evaluation.datasets.base import Sample, Truth
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.metrics.masks import Mask, boundary_f, jaccard
from dinoseg.evaluation.metrics.series import SeriesStatistics, series_statistics
from dinoseg.evaluation.predictions.base import from_masks
from dinoseg.evaluation.predictions.corrupted import corrupted_source, under
from dinoseg.evaluation.predictions.method import network_lines, open_segmenter
from dinoseg.evaluation.predictions.upright import Frames
from dinoseg.evaluation.protocols.masks import MaskProtocol
from dinoseg.evaluation.report import Row, Score, Subject
from dinoseg.evaluation.untrained import model_name
from dinoseg.images.corruptions import parse_condition
from dinoseg.images.feed import read_ahead
from dinoseg.images.labels import VOID
from dinoseg.images.video import AHEAD, frame_of
from dinoseg.methods.parameters import parse_parameters
from dinoseg.options import EvaluateOptions, PropagateOptions, SegmentOptions, values
from dinoseg.propagate import Propagator, Tracked, frame_fit
from dinoseg.segmentation import Segmentation
from dinoseg.types import Failure, Source

DAVIS_SIZE = (480, 854)
MEASURES: dict[str, Callable[[Mask, Mask, Mask | None], float]] = {"J": jaccard, "F": boundary_f}
FIRST_MASK = "first mask kept"
"""A floor: every object stays where it was."""


class FrameEvidence(NamedTuple):
    """What ``conclude`` needs of a frame beside its values."""

    packed: bytes
    shape: tuple[int, ...]
    predicted: tuple[int, ...]
    """Numbers of the objects that were predicted."""

    @property
    def numbers(self) -> NDArray[np.uint8]:
        """The true object numbers, ``(H, W)``."""
        return np.frombuffer(zlib.decompress(self.packed), np.uint8).reshape(self.shape)


Followed: TypeAlias = tuple[Sequence[Row[FrameEvidence]], int, Mask]
"""An object of a video's first frame: the frames that count, its number and its first mask ``(H, W)``."""


def followed_objects(video: Sequence[Row[FrameEvidence]]) -> Iterator[Followed]:
    """The frames that count, the number and the first mask of each object of the first frame.

    Raises ``DatasetError`` for predictions of other objects, and for a video of fewer than three frames.
    """
    first = video[0].evidence.numbers  # (H, W)
    there = [int(number) for number in np.unique(first) if number not in (0, VOID)]
    unexpected = sorted({number for row in video for number in row.evidence.predicted}.difference(there))
    if unexpected:
        has = ", ".join(map(str, there)) or "none"
        raise DatasetError(f"{video[0].sequence}: object {unexpected[0]} is predicted, but its first frame has {has}.")
    if len(video) < 3:
        raise DatasetError(
            f"{video[0].sequence} has {len(video)} frames: first and last do not count, nothing is left."
        )
    for number in there:
        yield video[1:-1], number, first == number


def floors(objects: Sequence[Followed]) -> list[Score]:
    """J&F of the first mask where it was, and of the centred ellipse."""
    ellipse = FLOORS["centred ellipse"]
    scores = []
    for floor in (FIRST_MASK, "centred ellipse"):
        values = []
        for frames, number, first in objects:
            drawn = first if floor == FIRST_MASK else ellipse((first.shape[0], first.shape[1]))

            def of_row(row: Row[FrameEvidence], name: str, drawn: Mask = drawn, number: int = number) -> float:
                numbers = row.evidence.numbers
                return MEASURES[name](drawn, numbers == number, numbers == VOID)

            values.append(mean_of_both(frames, of_row))
        scores.append(replace(score(f"J&F {floor}", values, "objects"), kind="floor"))
    return scores


def mean_of_both(frames: Sequence[Row[FrameEvidence]], value: Callable[[Row[FrameEvidence], str], float]) -> float:
    """Mean of J and F over frames."""
    return float(np.mean([[value(row, name) for name in MEASURES] for row in frames]))


class PropagationPredictor:
    """Predictions that a network makes by following each video's first truth; ``--param`` sets its rules."""

    def __init__(self, options: EvaluateOptions) -> None:
        self.rules = PropagateOptions(**parse_parameters(PropagateOptions, DavisPropagation.name, options.param))
        attention = {"method": "attention", "param": (), "refine": "none"}
        self.options = SegmentOptions(**values(options, SegmentOptions) | attention)
        backbone = open_segmenter(self.options, options.random_weights).backbone
        assert backbone is not None
        self.frames, self.condition = Frames(options), parse_condition(options.corrupt)
        self.random_weights, self.partial = options.random_weights, options.partial
        self.propagator = Propagator(backbone, self.rules, size=options.size, batch=options.batch)

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Segmentation | str]:
        """The prediction for each frame, or why there is none; a video whose first frame fails has none."""
        for _, group in groupby(samples, lambda sample: sample.sequence):
            video = list(group)
            try:
                yield from map(of_frame, self.follow(video))
            except ImageError as error:
                yield from [error.reason] * len(video)
            except DatasetError as error:
                if not self.partial:
                    raise
                yield from [error.reason] * len(video)

    def follow(self, video: Sequence[Sample]) -> Iterator[Tracked | Failure]:
        """The label maps of one video's frames, from the truth of its first frame."""
        numbers = self.frames.truth(video[0])[0].object_numbers()
        largest = self.options.max_pixels
        sources = (corrupted_source(Source(x.id, x.image), self.condition, x.id, largest) for x in video)
        frames = read_ahead(sources, partial(frame_of, max_pixels=largest), workers=AHEAD, ahead=AHEAD)
        return self.propagator.run(frames, np.where(numbers == VOID, 0, numbers).astype(np.uint8))

    @property
    def subject(self) -> Subject:
        """What is scored."""
        backbone = self.propagator.backbone
        spec = backbone.spec
        model = model_name(self.options, self.random_weights)
        size = max(frame_fit(DAVIS_SIZE, spec.patch, self.options.size).scaled)
        options = values(self.options) | {"mean": spec.mean, "std": spec.std, "runtime": backbone.runtime}
        subject = Subject(
            model,
            spec.sha256,
            str(backbone.device),
            size,
            options | {"method": "propagation", "propagation": asdict(self.rules)},
            (
                f"- method: propagation, refinement {self.options.refine}, long side {size} px",
                *network_lines(model, backbone),
            ),
        )
        return under(subject, self.condition)


def of_frame(result: Tracked | Failure) -> Segmentation | str:
    """One frame's labels as a prediction."""
    if isinstance(result, Failure):
        return result.reason
    photo = result.photo
    masks = ((result.labels == number, 1 / number, number) for number in result.objects)
    return from_masks(Source(photo.id, photo.id), photo.size, masks)


class DavisPropagation(MaskProtocol[FrameEvidence]):
    """Objects of the first frame, followed."""

    name = "davis-propagation"
    definition = (
        "DAVIS, semi-supervised (Perazzi et al. 2016, Pont-Tuset et al. 2017): the truth of the first frame is given "
        "and followed by the likeness of patches (Caron et al. 2021, table 5). Region J and contour F (within 0.008 "
        "of the diagonal) of each object of the first frame, first and last frame not counted, void left out; mean, "
        "recall (share above 0.5) and decay (first less last quarter) per object, then means over all objects; J&F "
        "is the mean of both means. Intervals take objects as independent. Floors: the first mask kept where it was, "
        "the centred ellipse."
    )
    lasting_labels = True
    needs_videos = True

    def values(self, truth: Truth, prediction: Segmentation) -> dict[str, float]:
        """J and F of every object that is in this frame or was predicted, by its number; void left out."""
        numbers = truth.object_numbers()
        void = numbers == VOID
        labels = [instance.label for instance in prediction.instances]
        predicted = dict(zip(labels, prediction.masks, strict=True))
        nothing = np.zeros(numbers.shape, bool)
        return {
            f"{name} {number}": function(predicted.get(number, nothing), numbers == number, void)
            for number in sorted(predicted.keys() | set(np.unique(numbers).tolist()) - {0, VOID})
            for name, function in MEASURES.items()
        }

    def evidence(self, truth: Truth, prediction: Segmentation) -> FrameEvidence:
        """The true numbers, packed, for the floors."""
        numbers = truth.object_numbers()
        labels = tuple(instance.label for instance in prediction.instances)
        return FrameEvidence(zlib.compress(numbers.tobytes(), 1), numbers.shape, labels)

    def restore(self, stored: Any) -> FrameEvidence:
        """``evidence`` again, of what JSON has made of it."""
        packed, shape, predicted = stored
        return FrameEvidence(packed, tuple(shape), tuple(predicted))

    def predictor(self, options: EvaluateOptions) -> PropagationPredictor:
        """Raise ``OptionError`` for a method: none is run."""
        if options.method != SegmentOptions.method:
            raise OptionError(f"{self.name} follows the first frame's truth, it runs no method: leave out --method.")
        return PropagationPredictor(options)

    def conclude(self, rows: Sequence[Row[FrameEvidence]]) -> list[Score]:
        """Statistics per object over its frames, then means over all objects; floors on the same frames."""
        objects = [item for video in by_sequence(rows) for item in followed_objects(video)]
        scores = []
        for name in MEASURES:
            values = [[row.values.get(f"{name} {n}", 1.0) for row in frames] for frames, n, _ in objects]
            series, parts = list(map(series_statistics, values)), SeriesStatistics._fields
            scores += [score(f"{name} {part}", [getattr(x, part) for x in series], "objects") for part in parts]
        both = [
            float(np.mean([[row.values.get(f"{name} {n}", 1.0) for name in MEASURES] for row in frames]))
            for frames, n, _ in objects
        ]
        given = [replace(each, kind="semi-supervised") for each in [score("J&F", both, "objects"), *scores]]
        return [*given, *floors(objects)]
