"""Every method, with and without refinement, on four data sets: how good, how fast, and the default against each.

    python benchmarks/methods.py --data FOLDER --models none random builtin PATH --cache CACHE -o FILE

FOLDER holds duts/, VOC2012/, DAVIS/ and coco/, or some of them. The network runs once a picture for all methods. What
is measured lies in CACHE, one file a picture: a run that was stopped goes on there, and several runs, each of one model
and without -o, may fill it at the same time. It belongs to one state of the program. -o makes FILE.md and FILE.json
from it.
"""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

from harness import HALVES, SETS, command_line, data_sets, one_thread, quoted
from method_tables import Key, Picture, Sets, write
from tqdm import tqdm

from dinoseg.atomic import atomic_write
from dinoseg.backbone.base import Backbone
from dinoseg.encoding import Encoder
from dinoseg.errors import DinosegError
from dinoseg.evaluation.aggregate import mean_of
from dinoseg.evaluation.datasets.base import Dataset, Sample, Truth
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.metrics.masks import jaccard
from dinoseg.evaluation.predictions.attention import head_masks
from dinoseg.evaluation.predictions.base import from_masks, with_soft_masks
from dinoseg.evaluation.predictions.method import open_segmenter
from dinoseg.evaluation.protocols.ap import InstanceAP
from dinoseg.evaluation.protocols.corloc import CorLoc
from dinoseg.evaluation.protocols.foreground import BEST_HEAD
from dinoseg.evaluation.protocols.saliency import Saliency
from dinoseg.evaluation.report import Row
from dinoseg.images.decode import as_source
from dinoseg.method import Method
from dinoseg.methods import METHODS, make_method
from dinoseg.options import SegmentOptions
from dinoseg.pipeline import Proposed, Segmenter, propose, refine
from dinoseg.segmentation import Segmentation
from dinoseg.types import Failure, Proposals

PARAMETERS = {name: (name, ()) for name in METHODS} | {"spectral, many regions": ("spectral", ("regions=many",))}
"""Row -> method and its parameters."""
FEW = ("attention-cut", "attention", "kmeans", "tokencut")
"""Untrained weights and slow refinements are tried with these only."""
NAMES = {"none": "no network", "random": "random weights", "builtin": "built-in"}
MODEL_HELP = "a name, a weight file, none (the floors and methods without network) or random (untrained weights)"
FAST, SLOW = ("guided", "none"), ("bilateral", "crf")

Tried: TypeAlias = "dict[str, tuple[Method, tuple[str, ...]]]"
"""Row -> method and its refinements."""


def tried(model: str, backbone: Backbone | None, name: str, asked: Sequence[str]) -> Tried:
    """What is tried with a model on a data set."""
    found = {}
    for label in (x for x in asked if model != "random" or x in FEW):
        method, slow = make_method(*PARAMETERS[label]), name == "DUTS" and label in FEW and model != "random"
        if suit(method, backbone):
            found[label] = method, (*FAST, *(SLOW if slow else ()))
    return found


def suit(method: Method, backbone: Backbone | None) -> bool:
    """Whether the method takes this network, or needs none where there is none; a head takes the one it learned on."""
    if backbone is None or not method.needs_network:
        return backbone is None and not method.needs_network
    try:
        method.check(backbone.spec)
    except DinosegError:
        return False
    return True


def open_model(model: str) -> Segmenter:
    """The road with the network, or with none, on one thread of the processor."""
    if model == "none":
        return Segmenter(method="prior")
    shape = "builtin" if model == "random" else model
    return open_segmenter(SegmentOptions(model=shape, device="cpu"), model == "random")


def measured(segmenter: Segmenter, methods: Tried, name: str, sample: Sample) -> Picture:
    """All methods on one picture of the data set ``name``."""
    backbone, truth = segmenter.backbone, sample.truth()
    families = [backbone.spec.family] if backbone else []
    facets = dict.fromkeys(x for method, _ in methods.values() for family in families for x in method.facets(family))
    encoder = Encoder(segmenter.options, backbone, tuple(facets))
    prepared = encoder.prepare(as_source(sample.image))
    if isinstance(prepared, Failure):
        raise prepared.error
    start = time.process_time()
    (encoded,) = encoder.forward([prepared])
    if isinstance(encoded, Failure):
        raise encoded.error
    made = Picture(backbone.spec.sha256 if backbone else None, time.process_time() - start, {}, {})
    bare = refine("none", Proposed(encoded, Proposals(()))).segmentation  # no method has looked
    for label, (method, refinements) in methods.items():
        start = time.process_time()
        (proposals,) = propose(method, [encoded])
        taken = time.process_time() - start
        for refinement, result, seconds in refined(Proposed(encoded, proposals), refinements):
            made.seconds[label, refinement] = taken + seconds
            made.rows[label, refinement] = row_of(name, sample, truth, result)
    return replace(made, rows=made.rows | beside(name, sample, truth, bare))


def refined(proposed: Proposed, names: Sequence[str]) -> Iterator[tuple[str, Segmentation, float]]:
    """What each refinement makes of the proposals, and in how many seconds."""
    for name in names:
        start = time.process_time()
        finished = refine(name, proposed)
        yield name, with_soft_masks(finished), time.process_time() - start


def row_of(name: str, sample: Sample, truth: Truth, result: Segmentation) -> Row:
    """What is measured of one result."""
    values = {"IoU": jaccard(result.mask, truth.foreground, truth.void)}
    if name == "VOC":
        values["CorLoc"] = CorLoc().values(truth, result)["CorLoc"]
    collected = {"DUTS": Saliency(), "COCO": InstanceAP()}
    evidence = collected[name].evidence(truth, result) if name in collected else None
    return Row(sample.id, values, sample.sequence, evidence=evidence)


def beside(name: str, sample: Sample, truth: Truth, bare: Segmentation) -> dict[Key, Row]:
    """The floors where there is no network; the best head, chosen by the ground truth, where there is one."""
    if bare.attention is not None:
        best = max(jaccard(mask, truth.foreground, truth.void) for mask in head_masks(bare))
        return {(BEST_HEAD, ""): Row(sample.id, {"IoU": best}, sample.sequence, evidence=None)}
    drawn = {label: from_masks(bare.source, bare.size, [(draw(bare.size), 1.0, 1)]) for label, draw in FLOORS.items()}
    return {(label, ""): row_of(name, sample, truth, result) for label, result in drawn.items()}


def fill(cache: Path, model: str, asked: Sequence[str], data: Mapping[str, Dataset]) -> None:
    """Measure what the cache lacks, the odd half of every set first, and say how it went."""
    segmenter = open_model(model)
    for half in HALVES:
        for name, dataset in data.items():
            samples, methods = dataset.select(half), tried(model, segmenter.backbone, name, asked)
            for sample in tqdm(samples, desc=f"{named(model)}, {name}, {half}", disable=None):
                path = place(cache, model, name, sample)
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with atomic_write(path) as file:
                        pickle.dump(measured(segmenter, methods, name, sample), file)
            tell(f"{name}, {half}", read(cache, model, name, samples))


def place(cache: Path, model: str, name: str, sample: Sample) -> Path:
    """Where the cache has a picture."""
    return cache / named(model) / name / f"{sample.id.replace('/', '_')}.pickle"


def read(cache: Path, model: str, name: str, samples: Sequence[Sample]) -> list[Picture]:
    """What the cache has of these pictures."""
    paths = [place(cache, model, name, sample) for sample in samples]
    return [pickle.loads(path.read_bytes()) for path in paths if path.exists()]


def named(model: str) -> str:
    """A model as the tables have it."""
    return NAMES.get(model, Path(model).stem)


def tell(what: str, pictures: Sequence[Picture]) -> None:
    for key in pictures[0].rows:
        score = mean_of("IoU", [picture.rows[key] for picture in pictures])
        print(f"{what}: {', '.join(key)}: {score.value:.3f}", file=sys.stderr)


def read_half(
    cache: Path, models: Sequence[str], data: Mapping[str, Dataset], half: Literal["odd", "even"]
) -> dict[str, Sets]:
    """What the cache has of one half, by model and data set."""
    return {
        named(model): {name: read(cache, model, name, dataset.select(half)) for name, dataset in data.items()}
        for model in models
    }


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__, output=False, data=True)
    parser.add_argument("--models", nargs="+", default=["none", "builtin"], metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("--methods", nargs="+", default=PARAMETERS, choices=PARAMETERS, metavar="METHOD")
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS, metavar="SET")
    parser.add_argument("--cache", type=Path, required=True, help="folder of what was measured")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    arguments = parser.parse_args(words)
    one_thread()
    data = data_sets(arguments.data, arguments.sets)
    for model in arguments.models:
        fill(arguments.cache, model, arguments.methods, data)
    if arguments.output:
        odd, even = (read_half(arguments.cache, arguments.models, data, half) for half in HALVES)
        write(arguments.output, odd, even, quoted("methods.py", words))
        print(arguments.output.with_suffix(".md").read_text(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
