"""``davis-unsupervised``: any method's masks on every frame of DAVIS, by themselves or averaged over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dinoseg.evaluation.aggregate import by_sequence, names_of, score
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.metrics.masks import boundary_f, jaccard
from dinoseg.evaluation.metrics.series import SeriesStatistics, series_statistics
from dinoseg.evaluation.protocols.masks import MeanProtocol
from dinoseg.evaluation.report import Row, Score
from dinoseg.segmentation import Segmentation


class DavisUnsupervised(MeanProtocol):
    """The union of all objects, frame by frame."""

    name = "davis-unsupervised"
    definition = (
        "DAVIS 2016 (Perazzi et al. 2016) frame by frame, label-free: region J and contour F (within 0.008 of the "
        "diagonal) of the union of all objects against the annotated foreground, void left out, every frame counted; "
        "mean, recall (share above 0.5) and decay (first less last quarter) per sequence, then mean over sequences. "
        "With --smooth N a frame's mask is where the mean of the soft masks of N frames before to N after is above "
        "0.5."
    )
    needs_videos = True
    takes_smoothing = True

    def values(self, truth: Truth, prediction: Segmentation) -> dict[str, float]:
        """J and F of the union of all objects in one frame, J of the floors; void left out."""
        wanted, void = truth.foreground, truth.void
        values = {"J": jaccard(prediction.mask, wanted, void), "F": boundary_f(prediction.mask, wanted, void)}
        return values | {f"J {name}": jaccard(draw(prediction.size), wanted, void) for name, draw in FLOORS.items()}

    def conclude(self, rows: Sequence[Row[None]]) -> list[Score]:
        """Mean, recall and decay over the frames of each video, then means over the videos."""
        videos = by_sequence(rows)
        scores = []
        for name in names_of(rows):
            series = [series_statistics([row.values[name] for row in video]) for video in videos]
            if name in ("J", "F"):
                parts = SeriesStatistics._fields
                scores += [score(f"{name} {part}", [getattr(x, part) for x in series], "sequences") for part in parts]
            else:
                scores.append(score(name, [x.mean for x in series], "sequences"))
        both = [float(np.mean([(row.values["J"], row.values["F"]) for row in video])) for video in videos]
        return [*scores, score("J&F", both, "sequences")]
