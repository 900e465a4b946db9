"""Protocols that judge a network by its features of whole pictures; no mask occurs in them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import ClassVar

import numpy as np

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.zoo import choose_device, load_backbone
from dinoseg.errors import OptionError
from dinoseg.evaluation import Progress
from dinoseg.evaluation.datasets import Data
from dinoseg.evaluation.datasets.labelled import LabelledFolder, open_labelled
from dinoseg.evaluation.features.embedding import crop_side
from dinoseg.evaluation.features.figures import FILES, figures
from dinoseg.evaluation.features.gallery import Gallery, embed_folder
from dinoseg.evaluation.protocols.base import DataSummary, Evaluation, Outcome, Protocol
from dinoseg.evaluation.report import WHOLE_PICTURES, Row, Score, Subject
from dinoseg.evaluation.resume import RowJournal
from dinoseg.evaluation.untrained import model_name, untrained
from dinoseg.options import EvaluateOptions, ModelOptions, values
from dinoseg.types import Failure

USED = (
    *(field.name for field in fields(ModelOptions)),
    *("split", "every", "shots", "random_weights", "partial", "output", "overwrite", "json"),
)
"""Options that mean something here; all others are about masks."""


class FeatureProtocol(Protocol):
    """A protocol that needs a network and pictures in one folder."""

    def check(self, data: Data, options: EvaluateOptions) -> None:
        """Raise ``OptionError`` for what is only said of masks."""
        if isinstance(data, tuple):
            raise OptionError(f"{self.name} takes one folder: its classes are folders, masks are not read.")
        for field in fields(options):
            if field.name not in USED and getattr(options, field.name) != field.default:
                flag = field.name.replace("_", "-")
                raise OptionError(f"{self.name} looks at whole pictures and makes no masks: leave out --{flag}.")


class LabelledProtocol(FeatureProtocol):
    """A protocol on a folder of classes; its figures are the map of the pictures and the tree of the classes."""

    figures = FILES
    learns: ClassVar[bool] = True
    """Whether few examples per class (``--shots``) mean anything to it."""

    @abstractmethod
    def judge(self, gallery: Gallery, shots: Sequence[int]) -> tuple[list[Score], list[Row[None]]]:
        """The scores, the headline first, and a row for each tested picture."""

    def open(self, data: Data, options: EvaluateOptions) -> LabelledEvaluation:
        """See ``Protocol``."""
        folder = open_labelled(Path(str(data)))
        self.check_shots(folder, options.shots)
        return LabelledEvaluation(self, folder, options)

    def check_shots(self, folder: LabelledFolder, shots: Sequence[int]) -> None:
        """Raise ``OptionError``, before anything is computed, for more examples than the smallest class can give."""
        if shots and not self.learns:
            raise OptionError("nothing is learned from examples here: leave out --shots.")
        counts = np.bincount(folder.train.labels)
        fewest = int(counts.min()) - (folder.test is None)  # one is left to be tested
        if max(shots, default=0) > fewest:
            name = folder.classes[int(counts.argmin())]
            raise OptionError(f"--shots {max(shots)} is out of range: {name} has {fewest} pictures to learn from.")


class LabelledEvaluation(Evaluation):
    """A folder of classes, and the network that is judged by it."""

    def __init__(self, protocol: LabelledProtocol, folder: LabelledFolder, options: EvaluateOptions) -> None:
        self.protocol, self.folder, self.options = protocol, folder, options
        self.backbone = open_backbone(options)
        self.data = DataSummary(folder.name, folder.layout, WHOLE_PICTURES, folder.classes)
        self.subject = subject_of(self.backbone, options, crop_side(self.backbone.spec.patch, options.size))

    def measure(self, journal: RowJournal, progress: Progress) -> Outcome:  # noqa: ARG002 (as Evaluation)
        """Embed the folder, then judge it."""
        gallery = embed_folder(self.folder, self.backbone, self.options, progress)
        scores, rows = self.protocol.judge(gallery, self.options.shots)
        draw = figures(gallery, self.folder.name, self.backbone.spec.name)
        return Outcome(rows, reasons(gallery.failed), lambda: scores, draw)


def open_backbone(options: EvaluateOptions) -> Backbone:
    """The network that was asked for, or an untrained one of its shape."""
    if not options.random_weights:
        return load_backbone(options)
    return untrained(options).to(choose_device(options.device)).eval()


def subject_of(backbone: Backbone, options: EvaluateOptions, side: int) -> Subject:
    """A network that sees pictures in a frame of ``side`` px."""
    model = model_name(options, options.random_weights)
    sha256 = None if options.random_weights else backbone.spec.sha256
    weights = f", sha256 {sha256}" if sha256 else ""
    asked = {key: value for key, value in values(options).items() if key in USED}
    return Subject(
        model,
        sha256,
        str(backbone.device),
        side,
        asked | {"mean": backbone.spec.mean, "std": backbone.spec.std},
        (f"- network: {model} on {backbone.device}, frame of {side} px{weights}",),
    )


def reasons(failures: Sequence[Failure]) -> list[tuple[str, str]]:
    """Id and reason of each."""
    return [(failure.id, failure.reason) for failure in failures]
