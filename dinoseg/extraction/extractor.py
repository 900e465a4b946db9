"""What a network says of a photograph, of any layer: its patches, the whole, and which patches are an object."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.families import family_of
from dinoseg.backbone.features import FACETS, Features, to_numpy
from dinoseg.backbone.names import EXPORTED
from dinoseg.backbone.precision import inference
from dinoseg.backbone.spec import RGB, network_identity
from dinoseg.backbone.zoo import load_backbone
from dinoseg.encoding import Encoded, Encoder, sources_of
from dinoseg.errors import NumericalFailure, OptionError
from dinoseg.extraction.photographs import Photographs
from dinoseg.images.decode import as_source
from dinoseg.methods.attention_cut import AttentionCut
from dinoseg.methods.in_torch import ask
from dinoseg.options import FeatureOptions, identity, with_options
from dinoseg.types import Failure, Fit, Image, Photo, Source

OF_OBJECTS = "object "
"""Before the names of the facets by which objects are found, which are those of the last layer."""


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFeatures:
    """What a network says of one photograph."""

    id: str
    patches: NDArray[np.floating[Any]]
    """``(gh, gw, d)``: a vector for each patch of the padded frame, float16 or float32."""
    embedding: NDArray[np.float32]
    """``(d,)``: the CLS token of the layer after the final norm; in a convolutional network the pooled map."""
    objects: NDArray[np.float32] | None
    """``(gh, gw)`` in 0..1, above 0.5 on the object that ``attention-cut`` finds; all 1 in a network without attention.
    None where that was not asked for."""
    fit: Fit
    photo: Photo
    source: Source
    seconds: float

    def __repr__(self) -> str:
        return f"PhotoFeatures({self.id!r}, patches {self.patches.shape}, embedding {self.embedding.shape})"


@overload
@with_options(FeatureOptions)
def features(image: list[Image], options: FeatureOptions) -> list[PhotoFeatures | Failure]: ...
@overload
@with_options(FeatureOptions)
def features(image: Image, options: FeatureOptions) -> PhotoFeatures: ...
@with_options(FeatureOptions)
def features(image: Image | list[Image], options: FeatureOptions) -> PhotoFeatures | list[PhotoFeatures | Failure]:
    """The features of one image, or of each of a list (then a ``Failure`` stands in the place of a bad one).

    Keywords are those of ``FeatureOptions``. Raises ``ImageError`` for one image that cannot be read, ``UsageError``
    for wrong options.
    """
    extractor = Extractor.of(options)
    return list(extractor.stream(image)) if isinstance(image, list) else extractor(image)


class Extractor:
    """A network with the features that are asked of it. It never changes. Keywords are those of ``FeatureOptions``.

    Raises ``OptionError``, ``WeightsError`` or ``DeviceError`` before it touches any photograph.
    """

    @with_options(FeatureOptions)
    def __init__(self, options: FeatureOptions) -> None:
        self._open(options, objects=True)

    @classmethod
    def of(cls, options: FeatureOptions, *, objects: bool = True) -> Extractor:
        """An extractor of options that are made already; ``objects``: whether it says where they are."""
        extractor = cls.__new__(cls)
        extractor._open(options, objects=objects)
        return extractor

    def _open(self, options: FeatureOptions, *, objects: bool) -> None:
        if options.model.endswith(EXPORTED):
            raise OptionError(f"{options.model} is an exported network, of the last layer only: name its weights.")
        self.options, self.backbone = options, load_backbone(options)
        self.spec = spec = self.backbone.spec
        family = family_of(spec.family)
        if options.facet not in family.facets:
            raise OptionError(f"--facet {options.facet}: {spec.name} has {', '.join(family.facets)}.")
        if options.layer is not None and options.layer > spec.depth:
            there = f"1..{spec.depth}" if spec.depth else "no layers to choose"
            raise OptionError(f"--layer {options.layer} is out of range: {spec.name} has {there}.")
        self.objects = objects
        self.method = AttentionCut() if objects and family.attention else None
        needed = self.method.facets(spec.family) if self.method else ()
        self.encoder = Encoder(options, Reader(self.backbone, options.layer, needed), (options.facet,))

    def identity(self) -> dict[str, object]:
        """What decides its results, by name, for a run's record."""
        return {**identity(self.options, FeatureOptions), **network_identity(self.backbone)}

    def __call__(self, image: Image) -> PhotoFeatures:
        """The features of one image. Raises ``ImageError`` if it cannot be read."""
        (found,) = self.run([as_source(image)])
        if isinstance(found, Failure):
            raise found.error
        return found

    def stream(self, inputs: str | Path | Iterable[Image]) -> Iterator[PhotoFeatures | Failure]:
        """Features in the order of the inputs, whatever their number: memory stays bounded.

        ``inputs``: a folder, file, glob or video file, or an iterable of paths, encoded bytes, PIL images or arrays.
        """
        if isinstance(inputs, str | Path):
            return self.run(Photographs([inputs], None, None, self.options.max_pixels))
        return self.run(sources_of(inputs))

    def run(self, sources: Iterable[Source | Failure]) -> Iterator[PhotoFeatures | Failure]:
        """Features in the order of the sources, a ``Failure`` in the place of a bad one."""
        return self.encoder.stream(sources, self.extract)

    def extract(self, encoded: Sequence[Encoded]) -> list[PhotoFeatures]:
        """The arrays of photographs of one grid."""
        return [self.arrays(each) for each in encoded]

    def arrays(self, encoded: Encoded) -> PhotoFeatures:
        """The arrays of one photograph."""
        assert encoded.features is not None
        patches = to_numpy(encoded.features.facets[self.options.facet], np.float32)[0]  # (gh, gw, d)
        embedding = to_numpy(encoded.features.cls, np.float32)[0]  # (d,)
        return PhotoFeatures(
            encoded.photo.id,
            as_type(patches, self.options.dtype, encoded.photo.id),
            embedding,
            self.mask(encoded, encoded.features) if self.objects else None,
            encoded.fit,
            encoded.photo,
            encoded.source,
            sum(encoded.seconds.values()),
        )

    def mask(self, encoded: Encoded, features: Features) -> NDArray[np.float32]:
        """How much each patch is of the object, ``(gh, gw)`` in 0..1."""
        if self.method is None:
            return np.ones(encoded.fit.grid, np.float32)
        last = {name.removeprefix(OF_OBJECTS): x for name, x in features.facets.items() if name.startswith(OF_OBJECTS)}
        (proposals,) = ask(self.method, replace(features, facets=last), [encoded.photo], [encoded.fit])
        return proposals.objects[0].soft if proposals.objects else np.zeros(encoded.fit.grid, np.float32)


def as_type(patches: NDArray[np.float32], dtype: str, id_: str) -> NDArray[np.floating[Any]]:
    """Features in another type. Raises ``NumericalFailure`` where it does not hold them."""
    with np.errstate(over="ignore"):
        cast: NDArray[np.floating[Any]] = patches.astype(dtype)
    if not np.isfinite(cast).all():
        raise NumericalFailure(f"{id_}: its features are beyond {dtype}; use --dtype float32.")
    return cast


class Reader:
    """A network read at one layer, with the embedding, and with what finds objects in the last layer (``Network``)."""

    parallel, graph = 1, ""

    def __init__(self, backbone: Backbone, layer: int | None, objects: Collection[str]) -> None:
        self.backbone, self.spec, self.objects = backbone, backbone.spec, tuple(objects)
        self.runtime, self.device = backbone.runtime, backbone.device
        self.layer = {} if layer is None else {"layer": layer}

    def normalising(self, mean: RGB | None, std: RGB | None) -> Reader:
        """See ``Network``."""
        return Reader(self.backbone.normalising(mean, std), self.layer.get("layer"), self.objects)

    @inference
    def encode(self, pixels: Sequence[NDArray[np.uint8]], grid: tuple[int, int], facets: Collection[str]) -> Features:
        """See ``Network``: a second pass where objects are found by another layer."""
        images = torch.cat([self.backbone.prepare(each, grid) for each in pixels])  # (B, 3, h, w)
        asked = [name for name in FACETS if name in facets or (not self.layer and name in self.objects)]
        found: Features = self.backbone(images, facets=asked, cls=True, **self.layer)
        last: Features = self.backbone(images, facets=self.objects) if self.layer and self.objects else found
        objects = {OF_OBJECTS + name: last.facets[name] for name in self.objects}
        return replace(found, attention=last.attention, facets={**found.facets, **objects})
