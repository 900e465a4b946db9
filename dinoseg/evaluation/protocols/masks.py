"""Protocols that score masks, picture by picture, against the truth of a data set."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from dinoseg.backbone.memory import within_memory
from dinoseg.errors import DatasetError, OptionError, OutOfMemory
from dinoseg.evaluation import Progress
from dinoseg.evaluation.aggregate import means
from dinoseg.evaluation.datasets import Data, open_dataset
from dinoseg.evaluation.datasets.base import Dataset, Sample, Truth
from dinoseg.evaluation.predictions.base import Predictor
from dinoseg.evaluation.predictions.files import FilePredictor
from dinoseg.evaluation.predictions.method import MethodPredictor
from dinoseg.evaluation.predictions.smoothing import Smoothed
from dinoseg.evaluation.predictions.upright import Frames
from dinoseg.evaluation.protocols.base import DataSummary, Evaluation, Outcome, Protocol
from dinoseg.evaluation.report import Row, Score
from dinoseg.evaluation.resume import RowJournal
from dinoseg.images.corruptions import parse_condition
from dinoseg.images.frames import frame_of
from dinoseg.options import EvaluateOptions, SegmentOptions, values
from dinoseg.segmentation import Segmentation

E = TypeVar("E")


class MaskProtocol(Protocol, Generic[E]):
    """A protocol whose pictures are measured one by one; ``E`` is what it keeps of each beside its values."""

    method: ClassVar[str | None] = None
    """The only method whose result it can score, where it does not take any."""
    takes_boxes: ClassVar[bool] = False
    """Whether boxes, annotated or predicted, are enough for it."""
    lasting_labels: ClassVar[bool] = False
    """Whether an object's label must say the same in every picture: COCO's json has no such labels."""
    needs_videos: ClassVar[bool] = False
    """Whether pictures must be frames of videos, whose objects keep their numbers."""
    takes_smoothing: ClassVar[bool] = False
    """Whether the masks of frames may be averaged over time (``--smooth``)."""

    def values(self, truth: Truth, prediction: Segmentation) -> dict[str, float]:  # noqa: ARG002
        """Values of one picture by name; none where it has nothing to measure, or where nothing is a mean."""
        return {}

    @abstractmethod
    def evidence(self, truth: Truth, prediction: Segmentation) -> E:
        """What ``conclude`` needs of one picture beside its values, for scores that are no means.

        Numbers, text, bytes, arrays, and lists and tuples of these.
        """

    @abstractmethod
    def restore(self, stored: Any) -> E:
        """Evidence of what is left of it in ``rows.jsonl``: tuples are lists there, arrays cannot be written to."""

    @abstractmethod
    def conclude(self, rows: Sequence[Row[E]]) -> list[Score]:
        """The report's scores, the headline first."""

    def predictor(self, options: EvaluateOptions) -> Predictor:
        """What makes the masks. Raises ``OptionError`` for a method that the protocol does not take."""
        condition = parse_condition(options.corrupt)
        return MethodPredictor(
            self.segment_options(options), random_weights=options.random_weights, condition=condition
        )

    def check(self, data: Data, options: EvaluateOptions) -> None:  # noqa: ARG002 (as Protocol)
        """Raise ``OptionError`` for what only other protocols understand."""
        if options.shots:
            raise OptionError(f"{self.name} learns from no examples: leave out --shots.")
        if options.smooth and not self.takes_smoothing:
            raise OptionError(f"{self.name} scores pictures as they are: --smooth is for davis-unsupervised.")
        parse_condition(options.corrupt)

    def open(self, data: Data, options: EvaluateOptions) -> MaskEvaluation[E]:
        """See ``Protocol``."""
        dataset = open_dataset(data, options.image_set)
        self.check_truth(dataset)
        samples = dataset.select(options.split, options.every)
        refuse_gaps(dataset, samples, options)
        predictor = self.file_predictor(dataset, options) if options.predictions else self.predictor(options)
        return MaskEvaluation(self, dataset, samples, predictor, options)

    def check_truth(self, dataset: Dataset) -> None:
        """Raise ``DatasetError`` where there are boxes and masks are needed, or pictures and videos are."""
        where = f"{dataset.name} ({dataset.layout})"
        if not (dataset.has_masks or self.takes_boxes):
            raise DatasetError(f"{where} has boxes only, and {self.name} needs masks: ap and corloc do not.")
        if self.needs_videos and not any(sample.sequence for sample in dataset.samples):
            raise DatasetError(f"{where} has single pictures, and {self.name} needs videos in the layout of DAVIS.")

    def file_predictor(self, dataset: Dataset, options: EvaluateOptions) -> FilePredictor:
        """Predictions from files. Raises ``OptionError`` for files that do not hold what is scored."""
        place = options.predictions
        assert place is not None
        if self.method is not None:
            raise OptionError(f"{self.name} measures attention maps, which files do not hold: leave out --predictions.")
        if self.lasting_labels and not place.is_dir():
            raise OptionError(
                f"{self.name} needs labels that last from picture to picture: name a folder of label maps."
            )
        predictor = FilePredictor(place, dataset, numbered=self.lasting_labels, partial=options.partial)
        if predictor.only_boxes and not self.takes_boxes:
            raise OptionError(f"{place} holds boxes without masks, and {self.name} needs masks: ap and corloc do not.")
        return predictor

    def segment_options(self, options: EvaluateOptions) -> SegmentOptions:
        """How masks are made. Raises ``OptionError`` for a method that the protocol does not take."""
        asked = SegmentOptions(**values(options, SegmentOptions))
        if self.method is None:
            return asked
        if asked.method not in (SegmentOptions.method, self.method):
            raise OptionError(
                f"{self.name} measures attention maps, not the masks of {asked.method}: leave out --method."
            )
        return replace(asked, method=self.method, refine="none")

    def row(self, sample: Sample, prediction: Segmentation, frames: Frames) -> Row[E]:
        """One picture measured. Raises ``DatasetError`` with both sizes when its truth is of another size."""
        truth, prediction, exif = frames.both(sample, prediction)
        if truth.foreground.shape != prediction.size:
            (height, width), (h, w) = truth.foreground.shape, prediction.size
            frame = f" The picture is {frame_of(sample.image)}." if exif else ""
            content = prediction.source.content
            place = content if isinstance(content, str | Path) else sample.image  # of a picture that was spoiled
            raise DatasetError(
                f"{sample.mask} is {width} x {height} px, but {place} {w} x {h}: masks are never resized. "
                f"Take both as their makers pack them.{frame}"
            )
        if truth.only_boxes and not self.takes_boxes:
            raise DatasetError(f"{sample.mask} has boxes without masks of {sample.id}: ap and corloc need no masks.")
        values, evidence = self.values(truth, prediction), self.evidence(truth, prediction)
        return Row(sample.id, values, sample.sequence, truth.classes, exif=exif, evidence=evidence)


class MeanProtocol(MaskProtocol[None]):
    """A protocol that needs nothing of a picture but its values, by default the means of these."""

    def evidence(self, truth: Truth, prediction: Segmentation) -> None:
        """Nothing: the values of a row are enough for the score."""

    def restore(self, stored: Any) -> None:
        """Nothing: the values of a row are enough for the score."""

    def conclude(self, rows: Sequence[Row[None]]) -> list[Score]:
        """The report's scores, the headline first."""
        return means(rows)


class MaskEvaluation(Evaluation, Generic[E]):
    """Masks of the chosen pictures of a data set."""

    def __init__(
        self,
        protocol: MaskProtocol[E],
        dataset: Dataset,
        samples: Sequence[Sample],
        predictor: Predictor,
        options: EvaluateOptions,
    ) -> None:
        self.protocol, self.samples, self.options = protocol, samples, options
        self.data = DataSummary(dataset.name, dataset.layout, dataset.foreground, dataset.classes)
        self.predictor = Smoothed(predictor, options.smooth) if options.smooth else predictor
        self.subject = self.predictor.subject
        self.keeps_rows = not options.predictions

    def measure(self, journal: RowJournal, progress: Progress) -> Outcome:
        """Measure every picture that the journal does not have.

        Raises ``DatasetError`` for a truth that is broken or of another size, unless a partial score is asked for.
        """
        present = [sample for sample in self.samples if not sample.missing]
        failed = [(sample.id, sample.missing) for sample in self.samples if sample.missing]
        rows = journal.read(present, self.protocol.restore)
        todo = [sample for sample in present if sample.id not in rows]
        for done, (sample, prediction) in enumerate(zip(todo, self.predictor(todo), strict=True), len(rows) + 1):
            row = prediction if isinstance(prediction, str) else self.row(sample, prediction)
            if isinstance(row, str):
                failed.append((sample.id, row))
            else:
                rows[sample.id] = row
                journal.add(sample, row)
            progress(done, len(present))
        ordered = [rows[sample.id] for sample in present if sample.id in rows]
        return Outcome(ordered, failed, lambda: self.protocol.conclude(ordered) if ordered else [])

    def row(self, sample: Sample, prediction: Segmentation) -> Row[E] | str:
        """One picture, or why it could not be scored; see ``measure``."""
        try:
            with within_memory(f"{sample.id}: its masks do not fit into memory."):
                return self.protocol.row(sample, prediction, Frames(self.options))
        except OutOfMemory as error:
            return error.reason
        except DatasetError as error:
            if not self.options.partial:
                raise
            return error.reason


def refuse_gaps(dataset: Dataset, samples: Sequence[Sample], options: EvaluateOptions) -> None:
    """Raise ``DatasetError``, before anything is computed, when pictures lack something and none may be left out."""
    lacking = sum(sample.missing is not None for sample in samples)
    if lacking and not options.partial:
        raise DatasetError(
            f"{lacking} of {len(samples)} pictures of {dataset.name} cannot be scored. {dataset.gaps(samples)} "
            "--partial scores the others."
        )
