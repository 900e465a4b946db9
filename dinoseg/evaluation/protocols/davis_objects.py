"""``davis-unsupervised-objects``: objects that keep their numbers through a video, found without a first mask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from dinoseg.errors import DatasetError
from dinoseg.evaluation.aggregate import ORACLE, by_sequence, score
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.metrics.masks import Mask, boundary_f, jaccard
from dinoseg.evaluation.metrics.series import SeriesStatistics, series_statistics
from dinoseg.evaluation.protocols.masks import MaskProtocol
from dinoseg.evaluation.report import Row, Score
from dinoseg.images.labels import VOID
from dinoseg.segmentation import Segmentation

MOST = 20
"""Objects that may be proposed in a video."""
NOTHING = -1
"""Number of an empty proposal."""


class FrameFits(NamedTuple):
    """One frame: how well every object that was found fits every object that is there, void left out of both."""

    predicted: list[int]
    """Rising numbers of what was found, those with any pixel that counts."""
    actual: list[int]
    """Rising numbers of what is there."""
    values: NDArray[np.float64]
    """J and F, ``(predicted, actual, 2)``."""
    floors: NDArray[np.float64]
    """The same of each of ``FLOORS``, ``(floors, there, 2)``."""

    def of_floor(self, number: int) -> FrameFits:
        """As if that floor were all that was found."""
        return self._replace(predicted=[1], values=self.floors[number : number + 1])


Video: TypeAlias = Sequence[FrameFits]
"""Its frames in order."""


def fits(predicted: Iterable[Mask], actual: Iterable[Mask]) -> NDArray[np.float64]:
    """J and F of every pair, ``(predicted, actual, 2)``."""
    predicted, actual = list(predicted), list(actual)
    values = [[(jaccard(f, t), boundary_f(f, t)) for t in actual] for f in predicted]
    return np.array(values, np.float64).reshape(len(predicted), len(actual), 2)


def object_series(videos: Mapping[str, Video]) -> list[NDArray[np.float64]]:
    """J and F over the frames, ``(frames, 2)``, of every object of all videos."""
    return [series for name, frames in videos.items() for series in assigned(video_table(frames, name))]


def score_of_both(name: str, objects: Sequence[NDArray[np.float64]]) -> Score:
    """Mean of J and F over frames, then over objects."""
    return score(name, [float(series.mean()) for series in objects], "objects")


def video_table(frames: Video, name: str) -> NDArray[np.float64]:
    """J and F of every pair in a video, ``(frames, predicted, objects, 2)``; objects are those of the first frame.

    In a frame with neither of the two it is 1, with one of them 0. Where there are fewer proposals than objects, empty
    ones are added. Raises ``DatasetError`` for more than 20 proposals.
    """
    predicted = sorted({number for frame in frames for number in frame.predicted})
    objects = np.array(frames[0].actual, np.int64)
    if len(predicted) > MOST:
        raise DatasetError(f"{name}: {len(predicted)} objects are predicted in the video, {MOST} may be.")
    proposals = np.array(predicted + [NOTHING] * (len(objects) - len(predicted)), np.int64)
    table = np.zeros((len(frames), len(proposals), len(objects), 2))
    for into, frame in zip(table, frames, strict=True):
        made, actual = np.isin(proposals, frame.predicted), np.isin(objects, frame.actual)
        into[~made[:, None] & ~actual] = 1
        into[np.ix_(made, actual)] = frame.values[:, np.isin(frame.actual, objects)]
    return table


def assigned(table: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """J and F over the frames, ``(frames, 2)``, of each object with the proposal that an assignment gives it.

    One proposal an object, the sum of their means over frames of J and F as large as can be.
    """
    proposals, objects = linear_sum_assignment(table.mean(axis=(0, 3)), maximize=True)
    return [table[:, proposal, number] for number, proposal in sorted(zip(objects, proposals, strict=True))]


class DavisUnsupervisedObjects(MaskProtocol[FrameFits]):
    """Objects that keep their numbers, found without a first mask."""

    name = "davis-unsupervised-objects"
    definition = (
        "DAVIS 2017, unsupervised (Caelles et al. 2019): objects that keep a number through the video, at most 20, "
        "each object of the first frame gets one of them by an assignment that makes the mean of J and F largest; "
        "region J and contour F (within 0.008 of the diagonal), every frame counted, void left out; mean, recall "
        f"(share above 0.5) and decay (first less last quarter) per object, then means over all objects. {ORACLE}: "
        "the ground truth assigns. Floors: the centred ellipse, or the whole image, as the one object of a video, by "
        "the same assignment. A method numbers its objects frame by frame; `dinoseg track` carries numbers, "
        "--predictions takes its labels. The truth lies in Annotations_unsupervised: name that folder second where "
        "Annotations is there too."
    )
    lasting_labels = True
    needs_videos = True

    def evidence(self, truth: Truth, prediction: Segmentation) -> FrameFits:
        """J and F of every pair in one frame."""
        numbers = truth.object_numbers()
        counted = numbers != VOID
        labels = [instance.label for instance in prediction.instances]
        masks = sorted(zip(labels, prediction.masks, strict=True), key=lambda pair: pair[0])
        predicted = {number: mask & counted for number, mask in masks if (mask & counted).any()}
        actual = {int(number): numbers == number for number in np.unique(numbers[counted]) if number}
        drawn = [draw(prediction.size) & counted for draw in FLOORS.values()]
        values, floors = (fits(masks, actual.values()) for masks in (predicted.values(), drawn))
        return FrameFits(list(predicted), list(actual), values, floors)

    def restore(self, stored: Any) -> FrameFits:
        """``evidence`` again, of what JSON has made of it."""
        return FrameFits(*stored)

    def conclude(self, rows: Sequence[Row[FrameFits]]) -> list[Score]:
        """Statistics per object over all frames of its video, then means over all objects; floors by the same rule."""
        videos = {video[0].sequence: [row.evidence for row in video] for video in by_sequence(rows)}
        objects = object_series(videos)
        if not objects:
            raise DatasetError("no video has an object in its first frame: there is nothing that could be found.")
        scores = [score_of_both(f"{ORACLE} J&F", objects)]
        for index, name in enumerate(("J", "F")):
            series = [series_statistics(each[:, index]) for each in objects]
            for part in SeriesStatistics._fields:
                scores += [score(f"{ORACLE} {name} {part}", [getattr(x, part) for x in series], "objects")]
        for number, name in enumerate(FLOORS):
            drawn = {video: [frame.of_floor(number) for frame in frames] for video, frames in videos.items()}
            scores.append(score_of_both(f"J&F {name}", object_series(drawn)))
        return scores
