"""How like each patch is to the one under a pixel: in the same photograph, and in others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from dinoseg.backbone.features import to_numpy
from dinoseg.backbone.runtime import load_network
from dinoseg.backbone.spec import network_identity
from dinoseg.encoding import Encoded, Encoder
from dinoseg.errors import OptionError, QueryOutside
from dinoseg.images.decode import as_source
from dinoseg.images.fit import patch_at, to_photo
from dinoseg.options import FIGURE_DPI, ModelOptions, identity, with_options_after_two
from dinoseg.types import Failure, Fit, Image, Photo, Source

if TYPE_CHECKING:
    import matplotlib.figure
    import PIL.Image

TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A patch whose like is sought: the one under a pixel of a photograph."""

    photo: Photo
    point: tuple[int, int]
    """The pixel ``(x, y)`` of the upright original."""
    token: NDArray[np.float32]
    """The patch's feature, ``(d,)`` of length 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """How like the patches of a photograph are to an example, and the way back to its pixels."""

    id: str
    map: NDArray[np.float32]
    """``(gh, gw)``: cosine of each patch's token to that of the example, -1..1."""
    fit: Fit
    photo: Photo
    example: Example

    @property
    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """What a file of arrays holds."""
        return {"similarity": self.map}

    def upsampled(self) -> NDArray[np.float32]:
        """The map in the frame of the upright photo, ``(H, W)``."""
        return to_photo(self.map, self.fit)

    def figure(self, dpi: int = FIGURE_DPI) -> matplotlib.figure.Figure:
        """The example with a ring around its point, the photo where it is another, and the map."""
        from dinoseg.draw.similarity import similarity_figure

        return similarity_figure(self.photo, self.map, self.fit, self.example.photo, self.example.point, dpi)

    def overlay(self) -> PIL.Image.Image:
        """The photo under the map in colour."""
        from dinoseg.draw.heads import attention_overlay

        return attention_overlay(self.photo.pixels, self.map, self.fit)

    def _repr_png_(self) -> bytes:
        from dinoseg.outputs.render import png_bytes

        return png_bytes(self.overlay())

    def __repr__(self) -> str:
        (x, y), (rows, columns) = self.example.point, self.fit.grid
        return f"Similarity({self.id!r}, to {self.example.photo.id} at {x}, {y}, {rows}x{columns} patches)"


class Comparer:
    """A network that says how like patches are. It never changes."""

    def __init__(self, options: ModelOptions) -> None:
        self.network = load_network(options)
        self.encoder = Encoder(options, self.network, ("token",))

    def identity(self) -> dict[str, object]:
        """What decides its maps, by name, for a run's record."""
        return {**identity(self.encoder.options, ModelOptions), **network_identity(self.network)}

    def encode(self, source: Source) -> Encoded:
        """What the network gives for one source. Raises ``ImageError``."""
        (encoded,) = self.encoder.encode([source])
        if isinstance(encoded, Failure):
            raise encoded.error
        return encoded

    def example(self, encoded: Encoded, point: tuple[int, int]) -> Example:
        """The patch under a pixel ``(x, y)``. Raises ``QueryOutside`` where that is outside of the photograph."""
        patch, photo = patch_at(point, encoded.fit), encoded.photo
        if patch is None:
            (x, y), (height, width) = point, encoded.fit.size
            raise QueryOutside(f"{photo.id}: the point {x} {y} lies outside of its {width} x {height} px.")
        tokens = tokens_of(encoded)  # (gh, gw, d)
        return Example(photo, point, tokens.reshape(-1, tokens.shape[-1])[patch])

    def stream(self, sources: Iterable[Source | Failure], example: Example) -> Iterator[Similarity | Failure]:
        """Maps in the order of the sources; a bad one gives a ``Failure`` in its place."""
        for encoded in self.encoder.encode(sources):
            yield encoded if isinstance(encoded, Failure) else self.compare(encoded, example)

    def compare(self, encoded: Encoded, example: Example) -> Similarity:
        """The map of one photograph."""
        cosines = (tokens_of(encoded) @ example.token).clip(-1, 1)  # (gh, gw)
        return Similarity(encoded.photo.id, cosines, encoded.fit, encoded.photo, example)


def tokens_of(encoded: Encoded) -> NDArray[np.float32]:
    """The patch tokens of a photograph, each of length 1, ``(gh, gw, d)``."""
    assert encoded.features is not None
    tokens = to_numpy(encoded.features.facets["token"], np.float32)[0]
    unit: NDArray[np.float32] = tokens / np.maximum(np.linalg.norm(tokens, axis=-1, keepdims=True), TINY)
    return unit


@overload
@with_options_after_two(ModelOptions)
def similarity(image: list[Image], point: tuple[int, int], options: ModelOptions) -> list[Similarity | Failure]: ...
@overload
@with_options_after_two(ModelOptions)
def similarity(image: Image, point: tuple[int, int], options: ModelOptions) -> Similarity: ...
@with_options_after_two(ModelOptions)
def similarity(
    image: Image | list[Image], point: tuple[int, int], options: ModelOptions
) -> Similarity | list[Similarity | Failure]:
    """How like each patch of an image is to the one under the pixel ``point`` ``(x, y)`` of it.

    Of a list the point is in the first image, and there is a map of each (a ``Failure`` in the place of a bad one).
    Keywords are those of ``ModelOptions``. Raises ``ImageError`` if the first image cannot be read or does not hold the
    point, ``UsageError`` for wrong options.
    """
    images = image if isinstance(image, list) else [image]
    if not images:
        raise OptionError("similarity needs an image, which holds the point.")
    first, *others = (as_source(each, index) for index, each in enumerate(images))
    comparer = Comparer(options)
    encoded = comparer.encode(first)
    example = comparer.example(encoded, point)
    own = comparer.compare(encoded, example)
    return [own, *comparer.stream(others, example)] if isinstance(image, list) else own
