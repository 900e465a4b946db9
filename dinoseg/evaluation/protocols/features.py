"""What a protocol on whole pictures is, and the way from a labelled folder to its outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np

from dinoseg.backbone.base import Backbone
from dinoseg.errors import OptionError
from dinoseg.evaluation.datasets.labelled import LabelledFolder, open_labelled
from dinoseg.evaluation.features.embedding import crop_side
from dinoseg.evaluation.features.figures import figures
from dinoseg.evaluation.features.gallery import Gallery, Outcome, Progress, embed_folder
from dinoseg.evaluation.report import Row, Score
from dinoseg.options import EvaluateOptions

Measure: TypeAlias = Callable[[Path, Backbone, EvaluateOptions, Progress], Outcome]


class Judge(Protocol):
    """Scores of a gallery, the headline first, and a row for each tested picture."""

    def __call__(self, gallery: Gallery, *, shots: Sequence[int]) -> tuple[list[Score], list[Row]]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class FeatureProtocol:
    """A named way to judge a network by whole pictures."""

    definition: str
    measure: Measure


def on_labelled(judge: Judge, *, learns: bool = True) -> Measure:
    """Open and embed a labelled folder, then judge it; its figures are the map and the tree of classes.

    ``learns``: whether few examples per class (``shots``) mean anything to the judge.
    """

    def measure(data: Path, backbone: Backbone, options: EvaluateOptions, progress: Progress) -> Outcome:
        folder = open_labelled(data)
        check_shots(folder, options.shots, learns)
        gallery = embed_folder(folder, backbone, options, progress)
        scores, rows = judge(gallery, shots=options.shots)
        seen = {name for row in rows for name in row.classes}
        absent = tuple(name for name in folder.classes if name not in seen)
        draw = figures(gallery, folder.name, backbone.spec.name)
        side = crop_side(backbone.spec.patch, options.size)
        return Outcome(folder.name, folder.layout, scores, rows, gallery.failed, side, absent, draw)

    return measure


def check_shots(folder: LabelledFolder, shots: Sequence[int], learns: bool) -> None:
    """Raise ``OptionError``, before anything is computed, for more examples than the smallest class can give."""
    if shots and not learns:
        raise OptionError("nothing is learned from examples here: leave out --shots.")
    counts = np.bincount(folder.train.labels)
    fewest = int(counts.min()) - (folder.test is None)  # one is left to be tested
    if max(shots, default=0) > fewest:
        name = folder.classes[int(counts.argmin())]
        raise OptionError(f"--shots {max(shots)} is out of range: {name} has {fewest} pictures to learn from.")
