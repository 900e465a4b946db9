"""The road: encode -> propose -> refine. Who reads this file and ``encoding.py`` knows the program.

``folder.py`` adds the last step, writing, for runs over folders.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from array_api_compat import is_torch_array
from numpy.typing import NDArray

from dinoseg.backbone.families import family_of
from dinoseg.backbone.features import Features, concat
from dinoseg.backbone.memory import within_memory
from dinoseg.backbone.runtime import load_network
from dinoseg.backbone.spec import Network, network_identity
from dinoseg.encoding import Encoded, Encoder, sources_of, too_large
from dinoseg.errors import NumericalFailure, OptionError, OutOfMemory
from dinoseg.images.decode import as_source
from dinoseg.images.feed import WORKERS, read_ahead
from dinoseg.method import Method
from dinoseg.methods import make_method
from dinoseg.methods.base import nothing
from dinoseg.methods.presence import presence
from dinoseg.options import ModelOptions, Parameters, SegmentOptions, SelectOptions, identity, with_options
from dinoseg.refine import REFINEMENTS, REFUSED, has_edge
from dinoseg.refine import refine as refine_map
from dinoseg.refine.pieces import connected_parts, own_part
from dinoseg.rle import encode_rle, rle_area, rle_box
from dinoseg.segmentation import Segmentation
from dinoseg.types import Failure, Image, Instance, Photo, Proposal, Proposals, Source


@dataclass(frozen=True, slots=True, eq=False)
class Proposed:
    """An encoded photograph with what a method found in it."""

    encoded: Encoded
    proposals: Proposals
    presence: float | None = None
    """Probability in 0..1 that there is an object, where it is known."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage: decode, backbone, method."""


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A result with what its writer needs: the photograph and the soft masks ``(n, H, W)``."""

    segmentation: Segmentation
    photo: Photo
    soft: NDArray[np.float32]


class Segmenter:
    """Finds objects in photographs; loads its network once. Keywords are those of ``SegmentOptions``.

    It never changes (``with_method`` and ``with_options`` give another one on the same network): threads may share it.
    Raises ``OptionError``, ``WeightsError`` or ``DeviceError`` before it touches any photograph.
    """

    @with_options(SegmentOptions)
    def __init__(self, options: SegmentOptions) -> None:
        self._open(options, None)

    @classmethod
    def of(cls, options: SegmentOptions, backbone: Network | None = None) -> Segmenter:
        """A segmenter of options (of ``SegmentOptions`` or a class made from it), on a network that is loaded already
        where there is one."""
        segmenter = cls.__new__(cls)
        segmenter._open(options, backbone)
        return segmenter

    def _open(self, options: SegmentOptions, backbone: Network | None) -> None:
        self.options = options
        self.method = make_method(options.chosen_method, options.param)
        REFINEMENTS.check(options.refine)
        self.backbone: Network | None = None
        facets: tuple[str, ...] = ()
        if self.method.needs_network:
            self.backbone = backbone or load_network(options)
            self.method.check(self.backbone.spec)
            facets = self.method.facets(self.backbone.spec.family)
        self.encoder = Encoder(options, self.backbone, facets)
        self._check_presence()

    def _check_presence(self) -> None:
        family = self.backbone.spec.family if self.backbone else None
        if self.options.min_presence and not (family and family_of(family).presence):
            unknown = f"networks of the family {family}" if family else f"the method {self.options.method_name}"
            raise OptionError(f"--min-presence: presence is not known for {unknown}; leave it out or use the built-in.")

    def with_options(self, **changes: Any) -> Segmenter:
        """The same with some other options; the network is shared unless they ask for another."""
        options = replace(self.options, **changes)
        both = (options, self.options)
        network = [identity(each, ModelOptions) | {"runtime": each.runtime, "device": each.device} for each in both]
        for each in network:
            del each["size"], each["value_range"]  # of photographs
        return Segmenter.of(options, self.backbone if network[0] == network[1] else None)

    def with_method(self, method: str | Method, param: Parameters = ()) -> Segmenter:
        """The same with another method, by name with its parameters or as an object, on the same network."""
        return self.with_options(method=method, param=param)

    def identity(self) -> dict[str, object]:
        """What decides its results, by name, for ``run.json``."""
        network = network_identity(self.backbone) if self.backbone else {}
        return {**identity(self.options, SegmentOptions), **self.method.identity(), **network}

    def __call__(self, image: Image | Encoded) -> Segmentation:
        """The objects of one image, or of one that was encoded before. Raises ``ImageError`` if it cannot be read."""
        if isinstance(image, Encoded):
            self._check_facets(image.features)
            (result,) = (self.finish(proposed) for proposed in self.propose([image]))
        else:
            (result,) = self.run([as_source(image)])
        if isinstance(result, Failure):
            raise result.error
        return result.segmentation

    def _check_facets(self, features: Features | None) -> None:
        if not self.backbone:
            return
        needed = set(self.method.facets(self.backbone.spec.family))
        if features is None or needed - features.facets.keys():
            lacking = ", ".join(sorted(needed - (features.facets.keys() if features else set()))) or "features"
            raise OptionError(
                f"{self.options.method_name} needs {lacking}, which were not encoded: use dinoseg.encode."
            )

    def stream(self, inputs: str | Path | Iterable[Image]) -> Iterator[Segmentation | Failure]:
        """Results in the order of the inputs, whatever their number: memory stays bounded.

        ``inputs``: a folder, file or glob, or an iterable of paths, encoded bytes, PIL images or arrays.
        """
        for result in self.run(sources_of(inputs)):
            yield result if isinstance(result, Failure) else result.segmentation

    def run(self, sources: Iterable[Source | Failure]) -> Iterator[Finished | Failure]:
        """The road itself: read ahead, encode and propose in batches, refine behind."""
        proposed = self.encoder.stream(sources, self.propose)
        yield from read_ahead(proposed, self.finish, workers=WORKERS, ahead=WORKERS)

    def propose(self, encoded: Sequence[Encoded]) -> list[Proposed]:
        """The objects of photographs of one grid; what was found where an object is too unlikely is dropped.

        Raises ``NumericalFailure`` where the method cannot be solved for one of them.
        """
        start = time.perf_counter()
        try:
            proposals = propose(self.method, encoded)
        except np.linalg.LinAlgError as cause:
            message = (
                f"{encoded[0].source.id}: {self.options.method_name} cannot be solved ({cause}); try another --method."
            )
            raise NumericalFailure(message) from cause
        chances = [presence(each.features, [each.photo])[0] if each.features else None for each in encoded]
        seconds = {"method": (time.perf_counter() - start) / len(encoded)}
        return [
            Proposed(each, self._likely(found, chance), chance, each.seconds | seconds)
            for each, found, chance in zip(encoded, proposals, chances, strict=True)
        ]

    def _likely(self, proposals: Proposals, chance: float | None) -> Proposals:
        unlikely = chance is not None and chance < self.options.min_presence
        return nothing("no_object") if unlikely and proposals.objects else proposals

    def finish(self, proposed: Proposed | Failure) -> Finished | Failure:
        """Masks at full size, or why there are none."""
        if isinstance(proposed, Failure):
            return proposed
        encoded = proposed.encoded
        try:
            with within_memory(too_large(encoded.photo)):
                return refine(self.options.refine, proposed, self.options.parts)
        except OutOfMemory as error:
            return Failure(encoded.source.id, error, encoded.source)


def selected(result: Finished | Failure, options: SelectOptions, *, lasting: bool = False) -> Finished | Failure:
    """The result with those objects only that the options ask for; what is left may be none.

    They are counted anew, unless their numbers are ``lasting``, as those of a video are.
    """
    if isinstance(result, Failure) or options == SelectOptions():
        return result
    every = result.segmentation
    pixels = every.size[0] * every.size[1]
    places = [i for i, each in enumerate(every) if each.score >= options.min_score]
    places = [i for i in places if every[i].area >= options.min_area * pixels][: options.top]
    if options.largest and places:
        places = [max(places, key=lambda i: every[i].area)]
    chosen = every[places]
    counted = tuple(each if lasting else replace(each, label=number) for number, each in enumerate(chosen, 1))
    return Finished(replace(chosen, instances=counted), result.photo, result.soft[places])


def propose(method: Method, encoded: Sequence[Encoded]) -> list[Proposals]:
    """What a method finds in each of some photographs of one grid, which were encoded with the facets that it needs.

    Raises numpy's ``LinAlgError`` where it cannot be solved for one of them.
    """
    parts = [each.features for each in encoded if each.features is not None]
    features = concat(parts) if parts else None
    photos, fits = [each.photo for each in encoded], [each.fit for each in encoded]
    if features is None or not (getattr(method, "in_torch", False) or is_torch_array(features.arrays[0])):
        return method(features, photos, fits)
    from dinoseg.methods.in_torch import ask  # only where torch is at work anyway

    return ask(method, features, photos, fits)


def refine(name: str, proposed: Proposed, parts: bool = False) -> Finished:
    """Fit the proposals of one photograph to its edges at full size and threshold them.

    ``name``: see ``--refine``; ``parts``: see ``parts_of``.
    """
    start = time.perf_counter()
    encoded, photo, fit = proposed.encoded, proposed.encoded.photo, proposed.encoded.fit
    ranked = sorted(proposed.proposals.objects, key=lambda proposal: -proposal.score)
    refined = [refine_map(name, proposal.soft, photo, fit) for proposal in ranked]
    notes = photo.notes + (REFUSED,) * any(each.refused for each in refined)
    edged = [(p, each.soft) for p, each in zip(ranked, refined, strict=True) if has_edge(each.soft > 0.5)]
    objects = [part for one in edged for part in parts_of(*one)] if parts else edged
    objects.sort(key=lambda one: -one[0].score)
    instances = tuple(instance(p, s > 0.5, p.number or label) for label, (p, s) in enumerate(objects, 1))
    reason = None if instances else proposed.proposals.reason or "no_object"
    soft = np.stack([s for _, s in objects]) if objects else np.zeros((0, *photo.size), np.float32)
    segmentation = Segmentation(
        photo.id,
        instances,
        reason,
        fit,
        encoded.source,
        name,
        encoded.attention,
        notes,
        proposed.seconds | {"refine": time.perf_counter() - start},
        proposed.presence,
    )
    return Finished(segmentation, photo, soft)


def parts_of(proposal: Proposal, soft: NDArray[np.float32]) -> list[tuple[Proposal, NDArray[np.float32]]]:
    """The connected parts of a mask as objects of their own, with their soft masks ``(H, W)``.

    A part's score is the object's times the root of its area against that of the largest part.
    """
    masks = connected_parts(soft > 0.5)
    shares = [float(np.sqrt(mask.sum() / masks[0].sum())) for mask in masks]
    scored = [replace(proposal, score=proposal.score * share) for share in shares]
    return [(each, own_part(soft, mask)) for each, mask in zip(scored, masks, strict=True)]


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
    segmenter = Segmenter.of(options)
    return list(segmenter.stream(image)) if isinstance(image, list) else segmenter(image)


def instance(proposal: Proposal, mask: NDArray[np.bool_], label: int) -> Instance:
    """One object from its full-size mask ``(H, W)``, which must not be empty."""
    rle = encode_rle(mask)
    score, soft, why = float(proposal.score), proposal.soft, proposal.why
    return Instance(rle, rle_box(rle), rle_area(rle), score, label, soft, why, proposal.descriptor)
