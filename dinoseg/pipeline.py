"""The road: find -> decode -> fit -> backbone -> method -> refine. Who reads this file knows the program.

``folder.py`` adds the last step, writing, for runs over folders.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.families import family_of
from dinoseg.backbone.features import Features
from dinoseg.backbone.memory import on_device, within_memory
from dinoseg.backbone.precision import inference
from dinoseg.backbone.zoo import load_backbone
from dinoseg.errors import DinosegError, NanFeatures, NumericalFailure, OptionError, OutOfMemory
from dinoseg.images.decode import as_source, decode
from dinoseg.images.feed import WORKERS, batches, read_ahead
from dinoseg.images.find import find
from dinoseg.images.fit import fit
from dinoseg.methods import make_method
from dinoseg.methods.base import nothing
from dinoseg.methods.presence import presence
from dinoseg.options import InputOptions, SegmentOptions, with_options
from dinoseg.outputs.rle import encode_rle, rle_area, rle_box
from dinoseg.refine import REFUSED, check_refinement, has_edge, refine
from dinoseg.types import Failure, Fit, Image, Instance, Photo, Proposal, Proposals, Segmentation, Source

PATCH_WITHOUT_NETWORK = 10  # methods that need no network work on the built-in model's grid


@dataclass(slots=True, eq=False)
class Item:
    """One photograph on its way down the road; every stage adds its part."""

    photo: Photo
    source: Source
    fit: Fit
    pixels: NDArray[np.uint8]
    """The scaled photograph, ``(h, w, 3)``."""
    proposals: Proposals = field(default_factory=lambda: Proposals(()))
    attention: NDArray[np.float32] | None = None
    presence: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A result with what its writer needs: the photograph and the soft masks ``(n, H, W)``."""

    segmentation: Segmentation
    photo: Photo
    soft: NDArray[np.float32]


class Segmenter:
    """Finds objects in photographs; loads its network once. Keywords are those of ``SegmentOptions``.

    Raises ``OptionError``, ``WeightsError`` or ``DeviceError`` before it touches any photograph.
    """

    @with_options(SegmentOptions)
    def __init__(self, options: SegmentOptions) -> None:
        self.options = options
        self.method = make_method(options.method, options.param)
        check_refinement(options.refine)
        self.backbone: Backbone | None = load_backbone(options) if self.method.needs_network else None
        if self.backbone:
            self.method.check(self.backbone.spec)
        self.check_presence()
        self.device = self.backbone.device if self.backbone else torch.device("cpu")
        self.batch = options.batch or (1 if self.device.type == "cpu" else 32)
        self.max_pixels = InputOptions().max_pixels
        """Larger images are refused; set it to read them."""

    def check_presence(self) -> None:
        """Raise ``OptionError`` where presence is asked for and nothing can tell it."""
        family = self.backbone.spec.family if self.backbone else None
        if self.options.min_presence and not (family and family_of(family).presence):
            told = f"networks of the family {family}" if family else f"the method {self.options.method}"
            raise OptionError(f"--min-presence: presence is not known for {told}; leave it out or use the built-in.")

    def __call__(self, image: Image) -> Segmentation:
        """The objects of one image. Raises ``ImageError`` if it cannot be read."""
        (result,) = self.run([as_source(image)])
        if isinstance(result, Failure):
            raise result.error
        return result.segmentation

    def stream(self, inputs: str | Path | Iterable[Image]) -> Iterator[Segmentation | Failure]:
        """Results in the order of the inputs, whatever their number: memory stays bounded.

        ``inputs``: a folder, file or glob, or an iterable of paths, encoded bytes, PIL images or arrays.
        """
        for result in self.run(sources_of(inputs)):
            yield result if isinstance(result, Failure) else result.segmentation

    def run(self, sources: Iterable[Source | Failure]) -> Iterator[Finished | Failure]:
        """The road itself: read ahead, batch by shape, compute, refine behind."""
        window = 1 if self.batch == 1 else 2 * self.batch
        prepared = read_ahead(sources, self.prepare, workers=WORKERS, ahead=self.batch + WORKERS)
        groups = batches(prepared, grid_of, self.batch, window)
        computed = in_order((index, item) for group in groups for index, item in self.compute(group))
        yield from read_ahead(computed, self.finish, workers=WORKERS, ahead=WORKERS)

    def prepare(self, source: Source | Failure) -> Item | Failure:
        """Decode and fit one photograph."""
        if isinstance(source, Failure):
            return source
        start = time.perf_counter()
        source = source.with_values(self.options.value_range)
        try:
            photo = decode(source, max_pixels=self.max_pixels)
            patch = self.backbone.spec.patch if self.backbone else PATCH_WITHOUT_NETWORK
            with within_memory(unfitting(photo)):
                pixels, fitted = fit(photo, patch, self.options.size)
        except DinosegError as error:
            return Failure(source.id, error, source)
        item = Item(photo, source, fitted, pixels)
        book([item], "decode", start)
        return item

    def compute(self, group: Sequence[tuple[int, Item | Failure]]) -> Iterator[tuple[int, Item | Failure]]:
        """Network and method for a group of one grid; a batch that does not fit into memory is halved."""
        items = [item for _, item in group if isinstance(item, Item)]
        if len(items) < len(group):  # failures come in groups of their own
            yield from group
            return
        if len(items) > self.batch:  # a batch was halved before
            cut = self.batch  # the first part may halve it further
            yield from self.compute(group[:cut])
            yield from self.compute(group[cut:])
            return
        results = self.attempt(items)
        if isinstance(results, NumericalFailure) and len(items) > 1:  # one of them: find out which
            for indexed in group:
                yield from self.compute([indexed])
        elif isinstance(results, OutOfMemory) and len(items) > 1:
            self.batch = len(items) // 2
            yield from self.compute(group)
        elif isinstance(results, DinosegError):
            yield group[0][0], Failure(items[0].source.id, results, items[0].source)
        else:
            yield from zip((index for index, _ in group), results, strict=True)

    def attempt(self, items: Sequence[Item]) -> list[Item | Failure] | DinosegError:
        """``look``, or why it did not go. When this returns, nothing holds the tensors of a pass that failed."""
        name = items[0].source.id
        try:
            with on_device(self.device, f"{name}: out of memory at one image a pass; use --size or --device cpu."):
                return self.look(items)
        except (np.linalg.LinAlgError, torch.linalg.LinAlgError) as cause:  # type: ignore[attr-defined]
            told = f"{name}: {self.options.method} cannot be solved ({cause}); try another --method."
            error: DinosegError = NumericalFailure(told)
        except OutOfMemory as cause:
            error = OutOfMemory(str(cause))
        torch.cuda.empty_cache()
        return error

    @inference
    def look(self, items: Sequence[Item]) -> list[Item | Failure]:
        """One pass of the network over a batch, then the method."""
        start = time.perf_counter()
        features = self.features(items) if self.backbone else None
        fine = finite(features, len(items))
        book(items, "backbone", start)
        if not all(fine):
            good = iter(self.look([item for item, ok in zip(items, fine, strict=True) if ok]) if any(fine) else [])
            return [next(good) if ok else not_finite(item) for item, ok in zip(items, fine, strict=True)]
        start = time.perf_counter()
        found = self.method(features, [item.photo for item in items], [item.fit for item in items])
        for item, proposals, attention in zip(items, found, attention_of(features, len(items)), strict=True):
            item.proposals, item.attention = proposals, attention
        if features is not None:
            self.judge(items, features)
        book(items, "method", start)
        return list(items)

    def judge(self, items: Sequence[Item], features: Features) -> None:
        """Whether there is an object; what was found where that is too unlikely is dropped."""
        for item, chance in zip(items, presence(features, [item.photo for item in items]), strict=True):
            item.presence = chance
            if chance is not None and chance < self.options.min_presence and item.proposals.objects:
                item.proposals = nothing("no_object")

    def features(self, items: Sequence[Item]) -> Features:
        """Normalise, pad with zeros, run the backbone."""
        assert self.backbone is not None
        images = torch.cat([self.backbone.prepare(item.pixels, item.fit) for item in items])  # (B, 3, h, w)
        return self.backbone(images, facets=self.method.facets(self.backbone.spec.family))

    def finish(self, item: Item | Failure) -> Finished | Failure:
        """``refined``, or why not."""
        if isinstance(item, Failure):
            return item
        try:
            with within_memory(unfitting(item.photo)):
                return self.refined(item)
        except OutOfMemory as error:
            return Failure(item.source.id, error, item.source)

    def refined(self, item: Item) -> Finished:
        """Refine and threshold the proposals of one photograph at its full size."""
        start = time.perf_counter()
        name, photo, fitted = self.options.refine, item.photo, item.fit
        ranked = sorted(item.proposals.objects, key=lambda proposal: -proposal.score)
        refined = [refine(name, proposal.soft, photo, fitted) for proposal in ranked]
        notes = photo.notes + (REFUSED,) * any(each.refused for each in refined)
        pairs = [(p, each.soft) for p, each in zip(ranked, refined, strict=True) if has_edge(each.soft > 0.5)]
        instances = tuple(instance(p, s > 0.5, label) for label, (p, s) in enumerate(pairs, 1))
        reason = None if instances else item.proposals.reason or "no_object"
        book([item], "refine", start)
        result = Segmentation(
            photo.id, instances, reason, fitted, item.source, name, item.attention, notes, item.seconds, item.presence
        )
        maps = np.stack([s for _, s in pairs]) if pairs else np.zeros((0, *photo.size), np.float32)
        return Finished(result, photo, maps)


@overload
@with_options(SegmentOptions)
def segment(image: list[Image], options: SegmentOptions) -> list[Segmentation | Failure]: ...
@overload
@with_options(SegmentOptions)
def segment(image: Image, options: SegmentOptions) -> Segmentation: ...
@with_options(SegmentOptions)
def segment(image: Image | list[Image], options: SegmentOptions) -> Segmentation | list[Segmentation | Failure]:
    """The objects of one image, or of each of a list (then a ``Failure`` stands in the place of a bad one).

    Keywords are those of ``SegmentOptions``. Folders and many files go through ``Segmenter.stream``.
    Raises ``ImageError`` for one image that cannot be read, ``UsageError`` for wrong options.
    """
    segmenter = Segmenter(**asdict(options))
    return list(segmenter.stream(image)) if isinstance(image, list) else segmenter(image)


def sources_of(inputs: str | Path | Iterable[Image]) -> Iterable[Source | Failure]:
    """Whatever a stream is given, as sources."""
    if isinstance(inputs, (str, Path)):
        return find([inputs], InputOptions())
    if not isinstance(inputs, Iterable) or isinstance(inputs, (bytes, np.ndarray)):
        raise OptionError(f"stream takes a folder or many images, not one {type(inputs).__name__}: put it into a list.")
    return (as_source(image, index) for index, image in enumerate(inputs))


def unfitting(photo: Photo) -> str:
    """What is said of a photograph for which memory is too small."""
    return f"{photo.id}: {photo.size[1]} x {photo.size[0]} px do not fit into memory."


def grid_of(item: Item | Failure) -> tuple[int, int] | None:
    """What a batch must have in common; failures travel in groups of their own."""
    return item.fit.grid if isinstance(item, Item) else None


def in_order(results: Iterable[tuple[int, Item | Failure]]) -> Iterator[Item | Failure]:
    """Results that carry their index, in the order of the indices."""
    heap: list[tuple[int, Item | Failure]] = []
    following = 0
    for indexed in results:
        heapq.heappush(heap, indexed)
        while heap and heap[0][0] == following:
            yield heapq.heappop(heap)[1]
            following += 1


def finite(features: Features | None, count: int) -> list[bool]:
    """Per image: whether everything that the network gave is a number."""
    if features is None:
        return [True] * count
    tensors = [features.attention, *features.facets.values()]
    return [all(bool(tensor[i].isfinite().all()) for tensor in tensors) for i in range(count)]


def not_finite(item: Item) -> Failure:
    """The failure of an image for which the network gave NaN."""
    told = f"{item.source.id}: the network gives NaN or infinite values; try another --size or --model."
    return Failure(item.source.id, NanFeatures(told), item.source)


def attention_of(features: Features | None, count: int) -> list[NDArray[np.float32] | None]:
    """CLS attention per image ``(heads, gh, gw)``, where there is a network."""
    if features is None:
        return [None] * count
    return list(features.attention.float().cpu().numpy())


def book(items: Sequence[Item], stage: str, start: float) -> None:
    """Share the seconds since ``start`` out among the items."""
    for item in items:
        item.seconds[stage] = (time.perf_counter() - start) / len(items)


def instance(proposal: Proposal, mask: NDArray[np.bool_], label: int) -> Instance:
    """One object from its full-size mask ``(H, W)``, which must not be empty."""
    rle = encode_rle(mask)
    score, soft, why = float(proposal.score), proposal.soft, proposal.why
    return Instance(rle, rle_box(rle), rle_area(rle), score, label, soft, why, proposal.descriptor)
