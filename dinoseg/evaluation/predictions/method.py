"""Predictions that a method makes now, as ``dinoseg segment`` makes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from dinoseg.backbone.spec import Network
from dinoseg.encoding import PATCH_WITHOUT_NETWORK
from dinoseg.errors import OptionError
from dinoseg.evaluation.datasets.base import Sample
from dinoseg.evaluation.predictions.base import with_soft_masks
from dinoseg.evaluation.predictions.corrupted import corrupted_source, under
from dinoseg.evaluation.report import Subject
from dinoseg.evaluation.untrained import model_name, write_random_weights
from dinoseg.images.corruptions import Condition
from dinoseg.images.decode import as_source
from dinoseg.images.fit import BUDGET
from dinoseg.methods import make_method
from dinoseg.options import SegmentOptions, values
from dinoseg.pipeline import Segmenter
from dinoseg.segmentation import Segmentation
from dinoseg.types import Failure, Source


class MethodPredictor:
    """The masks of a method. Raises ``OptionError``, ``WeightsError`` or ``DeviceError`` when it is made."""

    def __init__(
        self, options: SegmentOptions, *, random_weights: bool = False, condition: Condition | None = None
    ) -> None:
        self.options, self.random_weights, self.condition = options, random_weights, condition
        self.segmenter = open_segmenter(options, random_weights)

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Segmentation | str]:
        """The prediction for each picture, or why there is none."""
        for result in self.segmenter.run(map(self.source, samples)):
            yield result.reason if isinstance(result, Failure) else with_soft_masks(result)

    def source(self, sample: Sample) -> Source | Failure:
        """The photograph as the method is to see it."""
        source = as_source(sample.image).with_values(self.options.value_range)
        return corrupted_source(source, self.condition, sample.id, self.options.max_pixels)

    @property
    def subject(self) -> Subject:
        """What is scored."""
        backbone, options = self.segmenter.backbone, self.options
        name = self.segmenter.options.method_name
        size = options.size or BUDGET * (backbone.spec.patch if backbone else PATCH_WITHOUT_NETWORK)
        method = (
            f"- method: {name}{', connected parts' * options.parts}, refinement {options.refine}, long side {size} px"
        )
        if backbone is None:
            subject = Subject(None, None, "cpu", size, values(options) | {"method": name}, (method, "- network: none"))
            return under(subject, self.condition)
        model, head = model_name(options, self.random_weights), self.segmenter.method.identity().get("head")
        subject = Subject(
            model,
            backbone.spec.sha256,
            str(backbone.device),
            size,
            values(options)
            | {"method": name, "mean": backbone.spec.mean, "std": backbone.spec.std, "runtime": backbone.runtime},
            (method, *network_lines(model, backbone)),
            None if head is None else str(head),
        )
        return under(subject, self.condition)


def open_segmenter(options: SegmentOptions, random_weights: bool) -> Segmenter:
    """The segmenter with the network that was asked for, or with an untrained one of its shape."""
    if not random_weights:
        return Segmenter.of(options)
    if not make_method(options.chosen_method, options.param).needs_network:
        raise OptionError(f"--random-weights: the method {options.method_name} has no network.")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        write_random_weights(options, path)
        return Segmenter.of(replace(options, model=str(path)))


def network_lines(model: str, backbone: Network) -> tuple[str, str]:
    """A network, and the mean and standard deviation of its pixels, for the page of a report."""
    mean, std = (" ".join(f"{x:g}" for x in values) for values in (backbone.spec.mean, backbone.spec.std))
    network = f"- network: {model} in {backbone.runtime} on {backbone.device}, sha256 {backbone.spec.sha256}"
    return network, f"- pixels: mean {mean}, deviation {std}"
