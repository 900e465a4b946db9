"""One evaluation: the road is run over a data set as a user would run it, and each result is measured."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from dinoseg import __version__
from dinoseg.backbone.base import Backbone
from dinoseg.backbone.memory import within_memory
from dinoseg.errors import DatasetError, OptionError, OutOfMemory
from dinoseg.evaluation import make_protocol
from dinoseg.evaluation.checkout import commit
from dinoseg.evaluation.datasets import Data, open_dataset, refuse_missing
from dinoseg.evaluation.datasets.base import Dataset, Sample
from dinoseg.evaluation.metrics.resampling import SEED
from dinoseg.evaluation.predictions.base import CocoPredictions, Predicted, of_road, open_predictions
from dinoseg.evaluation.predictions.smoothing import Smoothed
from dinoseg.evaluation.predictions.upright import Frames
from dinoseg.evaluation.protocols.base import Maker, Protocol
from dinoseg.evaluation.protocols.feature_run import run_features
from dinoseg.evaluation.protocols.features import FeatureProtocol
from dinoseg.evaluation.report import Report, Row, check_place, versions
from dinoseg.evaluation.resume import Kept
from dinoseg.evaluation.untrained import write_random_weights
from dinoseg.images.decode import as_source
from dinoseg.images.fit import BUDGET
from dinoseg.images.frames import frame_of
from dinoseg.methods import make_method
from dinoseg.methods.head import SegmentationHead
from dinoseg.options import EvaluateOptions, SegmentOptions, deciding
from dinoseg.pipeline import PATCH_WITHOUT_NETWORK, Segmenter
from dinoseg.places import claimed
from dinoseg.types import Failure

UNDECIDING = frozenset(("split", "partial", "output", "overwrite", "json"))
"""Options that decide nothing about the scores of single pictures."""
Progress: TypeAlias = Callable[[int, int], object]
"""Told how many of how many pictures are done."""


def run(name: str, data: Data, options: EvaluateOptions, progress: Progress | None = None) -> Report:
    """See ``evaluate``."""
    start = time.perf_counter()
    protocol = make_protocol(name)
    refuse_missing(data, options.predictions)
    if isinstance(protocol, FeatureProtocol):
        return run_features(name, protocol, data, options, command(name, data, options), progress or (lambda *_: None))
    refuse_options(name, protocol, options)
    if options.output:
        check_place(options.output, options.overwrite)
    dataset = open_dataset(data, options.image_set)
    refuse_data(name, protocol, dataset)
    samples = dataset.select(options.split, options.every)
    refuse_gaps(dataset, samples, options)
    make = partial(Files, dataset) if options.predictions else protocol.maker or Road
    maker: Maker = make(options, protocol, name)
    with claimed(options.output, deep=False) if options.output else nullcontext():
        kept = kept_rows(name, protocol, dataset, maker, options)
        maker = Smoothed(maker, options.smooth) if options.smooth else maker
        rows, failed = measure_all(protocol, samples, maker, progress, kept, options)
        report = Report(
            protocol=name,
            definition=protocol.definition,
            dataset=dataset.name,
            layout=dataset.layout,
            foreground=dataset.foreground,
            split=options.split,
            every=options.every,
            images=len(rows),
            failed=tuple(failed),
            scores=tuple(protocol.conclude(rows)) if rows and (options.partial or not failed) else (),
            absent=absent(dataset, rows),
            rows=tuple(rows),
            **maker.facts(),
            command=command(name, data, options),
            commit=commit(),
            seed=SEED,
            versions=versions(),
            seconds=time.perf_counter() - start,
            exif=dict(Counter(note for row in rows for note in row.exif)),
        )
        if options.output:
            report.save(options.output)
        if options.predictions or not failed:
            kept.finish()
    return report


def refuse_options(name: str, protocol: Protocol, options: EvaluateOptions) -> None:
    """Raise ``OptionError`` for what only other protocols understand."""
    if options.shots:
        raise OptionError(f"{name} learns from no examples: leave out --shots.")
    if options.smooth and not protocol.takes_smoothing:
        raise OptionError(f"{name} scores pictures as they are: --smooth is for davis-unsupervised.")


def refuse_data(name: str, protocol: Protocol, dataset: Dataset) -> None:
    """Raise ``DatasetError`` where masks are needed and only boxes are annotated, or videos and there are pictures."""
    said = f"{dataset.name} ({dataset.layout})"
    if not (dataset.has_masks or protocol.takes_boxes):
        raise DatasetError(f"{said} has boxes only, and {name} needs masks: ap and corloc do not.")
    if protocol.needs_videos and not any(sample.sequence for sample in dataset.samples):
        raise DatasetError(f"{said} has single pictures, and {name} needs videos in the layout of DAVIS.")


def refuse_gaps(dataset: Dataset, samples: Sequence[Sample], options: EvaluateOptions) -> None:
    """Raise ``DatasetError``, before anything is computed, when pictures lack something and none may be left out."""
    lacking = sum(sample.missing is not None for sample in samples)
    if lacking and not options.partial:
        raise DatasetError(
            f"{lacking} of {len(samples)} pictures of {dataset.name} cannot be scored. {dataset.gaps(samples)} "
            "--partial scores the others."
        )


def kept_rows(name: str, protocol: Protocol, dataset: Dataset, maker: Maker, options: EvaluateOptions) -> Kept:
    """What an earlier run of the same command has measured; predictions in files are always read again."""
    asked = {key: value for key, value in deciding(options).items() if key not in UNDECIDING}
    facts = {
        "protocol": name,
        "definition": protocol.definition,
        "data": f"{dataset.name}, {dataset.layout}",
        "options": asked,
        "weights": maker.facts()["sha256"],
        "head": head_of(maker),
        "version": __version__,
    }
    return Kept(options.output, facts, rows=not options.predictions, overwrite=options.overwrite)


def head_of(maker: Maker) -> str | None:
    """SHA-256 of the segmentation head, where the method is one."""
    method = maker.segmenter.method if isinstance(maker, Road) else None
    return method.sha256 if isinstance(method, SegmentationHead) else None


class Road:
    """Predictions that a method makes now."""

    def __init__(self, options: EvaluateOptions, protocol: Protocol, name: str) -> None:
        self.options = segment_options(options, protocol, name)
        self.random_weights = options.random_weights
        self.segmenter = open_segmenter(self.options, options.random_weights)

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Predicted | str]:
        """The prediction for each picture, or why there is none."""
        for result in self.segmenter.run(as_source(sample.image) for sample in samples):
            yield result.reason if isinstance(result, Failure) else of_road(result)

    def facts(self) -> dict[str, Any]:
        """The part of the report that says what was scored."""
        backbone, asked = self.segmenter.backbone, self.options
        patch = backbone.spec.patch if backbone else PATCH_WITHOUT_NETWORK
        model = f"random weights in the shape of {asked.model}" if self.random_weights else asked.model
        return {
            "model": model if backbone else None,
            "sha256": backbone.spec.sha256 if backbone else None,
            "device": str(backbone.device) if backbone else "cpu",
            "size": asked.size or BUDGET * patch,
            "options": asdict(asked) | pixels_of(backbone),
        }


def pixels_of(backbone: Backbone | None) -> dict[str, object]:
    """Mean and deviation of pixels as the network has them, for a report's options."""
    return {"mean": backbone.spec.mean, "std": backbone.spec.std} if backbone else {}


class Files:
    """Predictions that lie in files; no network is loaded."""

    def __init__(self, dataset: Dataset, options: EvaluateOptions, protocol: Protocol, name: str) -> None:
        if protocol.method is not None:
            raise OptionError(f"{name} measures attention maps, which files do not hold: leave out --predictions.")
        assert options.predictions is not None
        if protocol.lasting_labels and not options.predictions.is_dir():
            raise OptionError(f"{name} needs labels that last from picture to picture: name a folder of label maps.")
        self.place = options.predictions
        self.read = open_predictions(self.place, protocol.lasting_labels)
        self.only_boxes = isinstance(self.read, CocoPredictions) and self.read.only_boxes
        if self.only_boxes and not protocol.takes_boxes:
            raise OptionError(f"{self.place} holds boxes without masks, and {name} needs masks: ap and corloc do not.")
        if isinstance(self.read, CocoPredictions):
            self.read.check(dataset)
        self.partial = options.partial

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Predicted | str]:
        """The prediction for each picture, or why there is none."""
        return map(self.of, samples)

    def of(self, sample: Sample) -> Predicted | str:
        """See ``__call__``. Raises ``DatasetError`` for a broken one, unless a partial score is asked for."""
        try:
            return self.read(sample) or "missing_prediction"
        except DatasetError as error:
            if not self.partial:
                raise
            return error.reason

    def facts(self) -> dict[str, Any]:
        """The part of the report that says what was scored."""
        asked = {"predictions": self.place, "only_boxes": self.only_boxes}
        return {"model": None, "sha256": None, "device": "cpu", "size": None, "options": asked}


def segment_options(options: EvaluateOptions, protocol: Protocol, name: str) -> SegmentOptions:
    """What the road is asked for. Raises ``OptionError`` for a method that the protocol does not take."""
    asked = SegmentOptions(**{field.name: getattr(options, field.name) for field in fields(SegmentOptions)})
    if protocol.method is None:
        return asked
    if asked.method not in (SegmentOptions.method, protocol.method):
        raise OptionError(f"{name} measures attention maps, not the masks of {asked.method}: leave out --method.")
    return replace(asked, method=protocol.method, refine="none")


def open_segmenter(options: SegmentOptions, random_weights: bool) -> Segmenter:
    """The road with the network that was asked for, or with an untrained one of its shape."""
    if not random_weights:
        return Segmenter(**asdict(options))
    if not make_method(options.method, options.param).needs_network:
        raise OptionError(f"--random-weights: the method {options.method} has no network.")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        write_random_weights(options, path)
        return Segmenter(**asdict(replace(options, model=str(path))))


def measure_all(
    protocol: Protocol,
    samples: Sequence[Sample],
    maker: Maker,
    progress: Progress | None,
    kept: Kept,
    options: EvaluateOptions,
) -> tuple[list[Row], list[tuple[str, str]]]:
    """Rows of the pictures that could be scored, in order; id and reason of the others.

    Raises ``DatasetError`` for a truth that is broken or of another size, unless a partial score is asked for.
    """
    present = [sample for sample in samples if not sample.missing]
    failed = [(sample.id, sample.missing) for sample in samples if sample.missing]
    rows = kept.rows_of(present)
    todo = [sample for sample in present if sample.id not in rows]
    for done, (sample, result) in enumerate(zip(todo, maker(todo), strict=True), len(rows) + 1):
        row = result if isinstance(result, str) else measured(protocol, sample, result, options)
        if isinstance(row, str):
            failed.append((sample.id, row))
        else:
            rows[sample.id] = row
            kept.add(sample, row)
        if progress:
            progress(done, len(present))
    return [rows[sample.id] for sample in present if sample.id in rows], failed


def measured(protocol: Protocol, sample: Sample, result: Predicted, options: EvaluateOptions) -> Row | str:
    """One picture, or why it could not be scored; see ``measure_all``."""
    try:
        with within_memory(f"{sample.id}: its masks do not fit into memory."):
            return measure(protocol, sample, result, Frames(options))
    except OutOfMemory as error:
        return error.reason
    except DatasetError as error:
        if not options.partial:
            raise
        return error.reason


def measure(protocol: Protocol, sample: Sample, result: Predicted, frames: Frames) -> Row:
    """One picture. Raises ``DatasetError`` with both sizes when its truth is of another size."""
    truth, result, exif = frames.both(sample, result)
    if truth.foreground.shape != result.size:
        (height, width), (h, w) = truth.foreground.shape, result.size
        frame = f" The picture is {frame_of(sample.image)}." if exif else ""
        raise DatasetError(
            f"{sample.mask} is {width} x {height} px, but {result.source.content!s} {w} x {h}: masks are never "
            f"resized. Take both as their makers pack them.{frame}"
        )
    if truth.only_boxes and not protocol.takes_boxes:
        raise DatasetError(f"{sample.mask} has boxes without masks of {sample.id}: ap and corloc need no masks.")
    values, evidence = protocol.measure(truth, result), protocol.collect(truth, result)
    return Row(sample.id, values, sample.sequence, truth.classes, evidence=evidence, exif=exif)


def absent(dataset: Dataset, rows: Sequence[Row]) -> tuple[str, ...]:
    """Classes of the data set that occur in no scored picture."""
    seen = {name for row in rows for name in row.classes}
    return tuple(name for name in dataset.classes if name not in seen)


def command(name: str, data: Data, options: EvaluateOptions) -> str:
    """The command line that asks for the same."""
    words = ["dinoseg", "evaluate", name, *map(str, data if isinstance(data, tuple) else (data,))]
    for field in fields(options):
        value, flag = getattr(options, field.name), f"--{field.name.replace('_', '-')}"
        if value == field.default:
            continue
        if isinstance(value, bool):
            words.append(flag)
            continue
        for part in value if isinstance(value, tuple) else (value,):
            words += [flag, str(part)]
    return shlex.join(words)
