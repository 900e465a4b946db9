"""Encode: find -> decode -> fit -> network. What comes out can be asked by any method, as often as one likes."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from dinoseg.backbone.families import family_of
from dinoseg.backbone.features import Features, to_numpy
from dinoseg.backbone.memory import on_device, release, within_memory
from dinoseg.backbone.runtime import load_network
from dinoseg.backbone.spec import Network
from dinoseg.errors import DinosegError, NanFeatures, NumericalFailure, OptionError, OutOfMemory
from dinoseg.images.decode import as_source, decode
from dinoseg.images.feed import WORKERS, batches, read_ahead
from dinoseg.images.find import find
from dinoseg.images.fit import fit
from dinoseg.options import ModelOptions, with_options
from dinoseg.types import Failure, Fit, Image, Photo, Source

PATCH_WITHOUT_NETWORK = 10  # methods that need no network work on the built-in model's grid
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A decoded photograph, scaled onto the patch grid."""

    photo: Photo
    source: Source
    fit: Fit
    pixels: NDArray[np.uint8]
    """The scaled photograph, ``(h, w, 3)``."""
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A photograph with what the network gave for it."""

    photo: Photo
    source: Source
    fit: Fit
    features: Features | None
    """Of this photograph alone (B = 1); None where there is no network."""
    seconds: dict[str, float]
    """By stage: decode, backbone."""

    @property
    def attention(self) -> NDArray[np.float32] | None:
        """CLS attention of the last layer, ``(heads, gh, gw)``; None where the network has none."""
        if self.features is None or self.features.attention is None:
            return None
        return to_numpy(self.features.attention, np.float32)[0]

    def __repr__(self) -> str:
        rows, columns = self.fit.grid
        facets = ", ".join(self.features.facets) if self.features else "no network"
        return f"Encoded({self.photo.id!r}, {rows}x{columns} patches, {facets})"


class Encoder:
    """A network that encodes photographs. It holds no state of a run: threads may share it."""

    def __init__(self, options: ModelOptions, backbone: Network | None, facets: Collection[str] | None = None) -> None:
        """``facets``: the patch features to keep (default: all of the network). Without a ``backbone`` photographs are
        fitted to a grid only."""
        if facets is None:
            facets = family_of(backbone.spec.family).facets if backbone else ()
        self.options, self.backbone, self.facets = options, backbone, tuple(facets)
        self.device = backbone.device if backbone else "cpu"
        self.parallel = backbone.parallel if backbone else 1
        """Photographs that are encoded beside each other, each in a thread of its own."""
        self.batch = 1 if self.parallel > 1 else options.batch or (1 if str(self.device) == "cpu" else 32)
        """Photographs of one pass, where they fit into memory."""

    def __call__(self, image: Image) -> Encoded:
        """One image. Raises ``ImageError`` if it cannot be read."""
        (encoded,) = self.encode([as_source(image)])
        if isinstance(encoded, Failure):
            raise encoded.error
        return encoded

    def encode(self, sources: Iterable[Source | Failure]) -> Iterator[Encoded | Failure]:
        """Photographs in the order of their sources; a ``Failure`` in the place of a bad one."""
        return self.stream(sources, lambda encoded: encoded)

    def stream(
        self, sources: Iterable[Source | Failure], then: Callable[[list[Encoded]], list[T]]
    ) -> Iterator[T | Failure]:
        """Encode batches of one grid and do what ``then`` does to each, in the order of the sources.

        ``then`` runs within the same bounds of memory: a batch that does not fit is halved and done again.
        """
        window = 1 if self.batch == 1 else 2 * self.batch
        prepared = read_ahead(sources, self.prepare, workers=WORKERS, ahead=self.batch + WORKERS)
        run = BatchRun(self, then)
        if self.parallel > 1:
            return one_thread_each(read_ahead(prepared, run.alone, workers=self.parallel, ahead=self.parallel))
        groups = batches(prepared, grid_of, self.batch, window)
        return in_order(result for group in groups for result in run(group))

    def prepare(self, source: Source | Failure) -> Prepared | Failure:
        """Decode and fit one photograph."""
        if isinstance(source, Failure):
            return source
        start = time.perf_counter()
        source = source.with_values(self.options.value_range)
        try:
            photo = decode(source, max_pixels=self.options.max_pixels)
            patch = self.backbone.spec.patch if self.backbone else PATCH_WITHOUT_NETWORK
            with within_memory(too_large(photo)):
                pixels, fitted = fit(photo, patch, self.options.size)
        except DinosegError as error:
            return Failure(source.id, error, source)
        return Prepared(photo, source, fitted, pixels, {"decode": time.perf_counter() - start})

    def forward(self, batch: Sequence[Prepared]) -> list[Encoded | Failure]:
        """One pass of the network over photographs of one grid."""
        start = time.perf_counter()
        features: list[Features] | list[None] = [None] * len(batch)
        finite = [True] * len(batch)
        if self.backbone:
            together = self.backbone.encode([each.pixels for each in batch], batch[0].fit.grid, self.facets)
            features, finite = together.split(), together.finite()
        seconds = (time.perf_counter() - start) / len(batch)
        return [
            Encoded(each.photo, each.source, each.fit, own, {**each.seconds, "backbone": seconds})
            if fine
            else not_finite(each.source)
            for each, own, fine in zip(batch, features, finite, strict=True)
        ]


class BatchRun(Generic[T]):
    """Batches through the network and what comes ``then``; one that does not fit into memory is halved, and so are
    those after it."""

    def __init__(self, encoder: Encoder, then: Callable[[list[Encoded]], list[T]]) -> None:
        self.encoder, self.then = encoder, then
        self.limit = encoder.batch

    def __call__(self, group: Sequence[tuple[int, Prepared | Failure]]) -> Iterator[tuple[int, T | Failure]]:
        """Results of photographs of one grid, or of one failure, each with its index."""
        batch = [item for _, item in group if isinstance(item, Prepared)]
        if len(batch) < len(group):  # failures come in groups of their own
            yield from ((index, item) for index, item in group if isinstance(item, Failure))
            return
        if len(batch) > self.limit:  # it was halved before
            cut = self.limit  # the first part may halve it further
            yield from self(group[:cut])
            yield from self(group[cut:])
            return
        results = self.attempt(batch)
        if isinstance(results, NumericalFailure) and len(batch) > 1:  # one of them: find out which
            for indexed in group:
                yield from self([indexed])
        elif isinstance(results, OutOfMemory) and len(batch) > 1:
            self.limit = len(batch) // 2
            yield from self(group)
        elif isinstance(results, DinosegError):
            yield group[0][0], Failure(batch[0].source.id, results, batch[0].source)
        else:
            yield from zip((index for index, _ in group), results, strict=True)

    def alone(self, item: Prepared | Failure) -> T | Failure:
        """The result of one photograph."""
        ((_, result),) = self([(0, item)])
        return result

    def attempt(self, batch: Sequence[Prepared]) -> list[T | Failure] | DinosegError:
        """The results, or why there are none. When this returns, nothing holds the tensors of a pass that failed."""
        name = batch[0].source.id
        try:
            with on_device(
                self.encoder.device, f"{name}: out of memory at one image a pass; use --size or --device cpu."
            ):
                encoded = self.encoder.forward(batch)
                good = [each for each in encoded if isinstance(each, Encoded)]
                results = iter(self.then(good) if good else [])
                return [each if isinstance(each, Failure) else next(results) for each in encoded]
        except (NumericalFailure, OutOfMemory) as cause:
            error = type(cause)(str(cause))
        release()
        return error


@overload
@with_options(ModelOptions)
def encode(image: list[Image], options: ModelOptions) -> list[Encoded | Failure]: ...
@overload
@with_options(ModelOptions)
def encode(image: Image, options: ModelOptions) -> Encoded: ...
@with_options(ModelOptions)
def encode(image: Image | list[Image], options: ModelOptions) -> Encoded | list[Encoded | Failure]:
    """What the network gives for one image, or each of a list (then a ``Failure`` stands in the place of a bad one).

    All facets are kept, so any method can be asked without another pass: ``Segmenter(method=...)(encoded)``.
    Keywords are those of ``ModelOptions``. Raises ``ImageError`` for one image that cannot be read, ``UsageError`` for
    wrong options.
    """
    encoder = Encoder(options, load_network(options))
    return list(encoder.encode(sources_of(image))) if isinstance(image, list) else encoder(image)


def sources_of(inputs: str | Path | Iterable[Image]) -> Iterable[Source | Failure]:
    """A folder, file or glob, or many images, as sources. Raises ``OptionError`` for one image."""
    if isinstance(inputs, (str, Path)):
        return find([inputs])
    if not isinstance(inputs, Iterable) or isinstance(inputs, (bytes, np.ndarray)):
        raise OptionError(f"stream takes a folder or many images, not one {type(inputs).__name__}: put it into a list.")
    return (as_source(image, index) for index, image in enumerate(inputs))


def one_thread_each(results: Iterator[T]) -> Iterator[T]:
    """The same while numpy's matrix products take one thread each: the photographs have taken the others."""
    with blas().limit(limits=1, user_api="blas"):
        yield from results


@lru_cache(maxsize=1)
def blas() -> ThreadpoolController:
    """The matrix libraries of this process, which takes milliseconds to find out."""
    return ThreadpoolController()


def too_large(photo: Photo) -> str:
    """The message for a photograph for which memory is too small."""
    return f"{photo.id}: {photo.size[1]} x {photo.size[0]} px do not fit into memory."


def grid_of(item: Prepared | Failure) -> tuple[int, int] | None:
    """What a batch must have in common; failures travel in groups of their own."""
    return item.fit.grid if isinstance(item, Prepared) else None


def in_order(results: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Results that carry their index, in the order of the indices."""
    heap: list[tuple[int, int, T]] = []
    following = 0
    for index, result in results:
        heapq.heappush(heap, (index, 0, result))
        while heap and heap[0][0] == following:
            yield heapq.heappop(heap)[2]
            following += 1


def not_finite(source: Source) -> Failure:
    """The failure of an image for which the network gave NaN."""
    message = f"{source.id}: the network gives NaN or infinite values; try another --size or --model."
    return Failure(source.id, NanFeatures(message), source)
