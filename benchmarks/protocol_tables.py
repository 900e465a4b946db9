"""The tables of ``tables.py``: each protocol with its data, its scores, and what makes predictions for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from methods import named
from numpy.typing import NDArray

from dinoseg import track
from dinoseg.backbone.zoo import load_backbone
from dinoseg.draw.colours import voc_palette
from dinoseg.evaluation.datasets.base import Sample
from dinoseg.evaluation.metrics.clusters import MATCHINGS
from dinoseg.evaluation.metrics.masks import Mask
from dinoseg.evaluation.protocols.attention_jaccard import HEADLINE
from dinoseg.evaluation.protocols.foreground import BEST_HEAD
from dinoseg.evaluation.protocols.saliency import MAX_F
from dinoseg.evaluation.untrained import write_random_weights
from dinoseg.grouping import group
from dinoseg.images.fit import BUDGET
from dinoseg.options import ModelOptions
from dinoseg.types import Failure

LABELS = "semantic"
"""Folder of label maps, as `dinoseg group` calls it."""


@dataclass(frozen=True)
class Network:
    """One of those that are compared."""

    name: str
    options: dict[str, Any]
    """Of `dinoseg evaluate`."""
    weights: str
    """What `group` and `track` are told: a name or a file."""
    sha256: str
    size: int
    """32 patches, px."""


def open_network(name: str, cache: Path) -> Network:
    """The network with a name of the command line; an untrained one is written into the cache."""
    untrained = name == "random"
    options = ModelOptions(model="builtin" if untrained else name)
    weights = options.model
    if untrained:
        weights = str(cache / "random.safetensors")
        write_random_weights(options, Path(weights))
    spec = load_backbone(ModelOptions(model=weights)).spec
    asked = {"model": options.model, "random_weights": untrained}
    return Network(named(name), asked, weights, spec.sha256, BUDGET * spec.patch)


@dataclass(frozen=True)
class Table:
    """One protocol and what is shown of it."""

    protocol: str
    data: str
    """Below --data; empty: --classes."""
    scores: tuple[str, ...]
    truth: str | None = None
    """The truth as predictions, below --data; none where none are taken."""
    every: int = 1
    """Only every n-th picture of the half."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of `dinoseg evaluate`, for networks."""
    make: Callable[[Network, Sequence[Sample], Path], None] | None = None
    """How a network makes predictions, in ``LABELS`` below a folder, where the protocol runs no method."""
    note: str = ""


def grouped(network: Network, samples: Sequence[Sample], folder: Path) -> None:
    """Clusters of the pictures' objects, as many as there are classes."""
    classes = {name for sample in samples for name in sample.truth().classes}
    group([sample.image for sample in samples], output=folder, clusters=len(classes), model=network.weights)


def followed(network: Network, samples: Sequence[Sample], folder: Path) -> None:
    """What is found in the first frame of each video, followed."""
    for _, video in groupby(samples, lambda sample: sample.sequence):
        frames = list(video)
        results = track(frames[0].image.parent, model=network.weights, size=network.size)
        for frame, result in zip(frames, results, strict=True):
            if isinstance(result, Failure):
                raise result.error
            labels = np.zeros(result.size, np.uint8)
            for instance, mask in zip(result.instances, result.masks, strict=True):
                labels[mask] = instance.label
            write_labels(folder, frame, labels)


def draw_all(draw: Callable[[tuple[int, int]], Mask], samples: Sequence[Sample], folder: Path) -> None:
    """A floor as predictions."""
    for sample in samples:
        height, width = sample.truth().foreground.shape
        write_labels(folder, sample, draw((height, width)).astype(np.uint8))


def write_labels(folder: Path, sample: Sample, labels: NDArray[np.uint8]) -> None:
    """A prediction ``(H, W)`` as it is read from files."""
    path = folder / LABELS / f"{sample.id}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    image = PIL.Image.fromarray(labels)
    image.putpalette(voc_palette().tobytes())
    image.save(path)


FRAMES = ("J&F", "J mean", "F mean")
TOP = ("top-1", "F1", "AUROC")
ALONE = "Each picture of the odd half by all others of the folder; what few pictures there are per class limits it. "
TABLES = (
    Table("foreground", "VOC2012", ("IoU", "IoU, mean over classes", BEST_HEAD), "VOC2012/SegmentationClass"),
    Table(
        "attention-jaccard",
        "VOC2012",
        (HEADLINE, f"{HEADLINE}, square, resized frame", "mean of heads", "mask of the method attention"),
        every=2,
        note="Long side 480 px, as in DINO's figures. Files hold no attention, so the truth has no line.",
    ),
    Table("saliency", "duts", ("IoU", "accuracy", MAX_F, "MAE (an error)", "S-measure", "AUROC"), "duts/masks", 2),
    Table("corloc", "VOC2012", ("CorLoc",), "VOC2012/SegmentationObject"),
    Table(
        "ap",
        "coco",
        ("AP50 of masks", "AP of masks", "AR@100 of masks", "AP50 of boxes", "AP of boxes"),
        "coco/annotations/instances_val2017.json",
        options={"method": "maskcut"},
        note="MaskCut, which finds up to three objects. Boxes found are those of masks, the truth's are annotated.",
    ),
    Table(
        "miou",
        "VOC2012",
        tuple(f"ORACLE mIoU, {name}" for name in MATCHINGS),
        "VOC2012/SegmentationClass",
        make=grouped,
        note="Clusters of `dinoseg group` over the same pictures, as many as there are classes.",
    ),
    Table("davis-unsupervised", "DAVIS", FRAMES, "DAVIS/Annotations/480p", 2),
    Table(
        "davis-unsupervised-objects",
        "DAVIS",
        tuple(f"ORACLE {name}" for name in FRAMES),
        "DAVIS/Annotations/480p",
        make=followed,
        note="`dinoseg track` with a long side of 32 patches. One object a video, as in DAVIS 2016.",
    ),
    Table(
        "davis-propagation",
        "DAVIS",
        FRAMES,
        "DAVIS/Annotations/480p",
        every=4,
        note="Every fourth frame, which is harder than all.",
    ),
    Table("knn", "", TOP, note=ALONE),
    Table("linear", "", TOP, note=f"{ALONE}Five folds."),
    Table("retrieval", "", ("average precision", "precision of the first 1"), note=ALONE),
    Table("copies", "VOC2012/JPEGImages", ("average precision", "found first"), every=8, note="10 originals."),
)
