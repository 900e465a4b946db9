"""Patches of two photographs' objects that look like each other (best buddies: Amir et al. 2021)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dinoseg.atomic import atomic_write
from dinoseg.backbone.families import family_of
from dinoseg.backbone.features import to_numpy
from dinoseg.encoding import Encoded, Encoder
from dinoseg.errors import ImageError, OptionError
from dinoseg.images.fit import middle_of
from dinoseg.methods.base import unit
from dinoseg.options import MatchOptions, PictureOptions, with_options_after_two
from dinoseg.pipeline import Segmenter
from dinoseg.segmentation import Segmentation
from dinoseg.strict_json import to_json
from dinoseg.types import Image, Photo

if TYPE_CHECKING:
    import PIL.Image


@dataclass(frozen=True, slots=True)
class Pair:
    """A patch of the first photograph and its counterpart in the second."""

    first: tuple[int, int]
    """The pixel ``(x, y)`` in the middle of the patch, px of the upright original."""
    second: tuple[int, int]
    cosine: float
    """How like they are, -1..1."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """The pairs of two photographs, the most alike first."""

    pairs: tuple[Pair, ...]
    first: Segmentation
    second: Segmentation
    found: int
    """How many pairs there are, of which ``pairs`` are some."""
    photos: tuple[Photo, Photo]

    def draw(self) -> PIL.Image.Image:
        """The photographs side by side, objects bright, with a line for each pair."""
        from dinoseg.draw.matches import draw_matches

        masks = (self.first.mask, self.second.mask)
        return draw_matches(self.photos, masks, [(pair.first, pair.second) for pair in self.pairs])

    def to_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        sizes = [{"id": each.id, "size": list(each.size)} for each in (self.first, self.second)]
        return {"first": sizes[0], "second": sizes[1], "found": self.found, "pairs": [asdict(p) for p in self.pairs]}

    def save(self, path: str | Path) -> list[Path]:
        """Write the picture (``.png``), and the numbers as JSON beside it; returns both paths."""
        from dinoseg.outputs.format import png_bytes

        picture = PictureOptions(output=Path(path)).output
        picture.parent.mkdir(parents=True, exist_ok=True)
        numbers = to_json(self.to_dict(), indent=2) + "\n"
        written = {picture: png_bytes(self.draw()), picture.with_suffix(".json"): numbers.encode()}
        for place, content in written.items():
            with atomic_write(place) as file:
                file.write(content)
        return list(written)

    def _repr_png_(self) -> bytes:
        from dinoseg.outputs.format import png_bytes

        return png_bytes(self.draw())

    def __repr__(self) -> str:
        return f"Matches({self.first.id!r}, {self.second.id!r}, {len(self.pairs)} of {self.found} pairs)"


@with_options_after_two(MatchOptions)
def match(first: Image, second: Image, options: MatchOptions) -> Matches:
    """Pairs of patches of two images' objects, each of which is what the other is most like: mutual nearest neighbours.

    Patches are compared by their keys of the last layer, in a network without them by its tokens. Where there are more
    than ``pairs``, k-means of both features of each pair groups them, and of each group the most alike one is taken
    (Amir et al. 2021 take the most salient one). Keywords are those of ``MatchOptions``.

    Raises ``ImageError`` for an image that cannot be read or in which there is no object, ``UsageError`` for wrong
    options.
    """
    return match_images(first, second, options)


def match_images(first: Image, second: Image, options: MatchOptions) -> Matches:
    """See ``match``."""
    segmenter = Segmenter.of(options)
    if segmenter.backbone is None:
        raise OptionError(f"match compares what a network says: --method {options.method_name} has none.")
    family = segmenter.backbone.spec.family
    facet = "key" if "key" in family_of(family).facets else "token"
    facets = {*segmenter.method.facets(family), facet}
    encoder = Encoder(options, segmenter.backbone, sorted(facets))
    sides = [side_of(encoder(image), segmenter, facet) for image in (first, second)]
    one, two = sides
    cosines = one.features @ two.features.T  # (n, m)
    rows, columns = mutual(cosines)
    both = np.hstack([one.features[rows], two.features[columns]])
    alike = cosines[rows, columns]
    chosen = spread(both, alike, options.pairs) if 0 < options.pairs < len(alike) else np.arange(len(alike))
    pairs = [
        Pair(one.pixel(rows[index]), two.pixel(columns[index]), round(float(alike[index]), 4))
        for index in chosen[np.argsort(-alike[chosen], kind="stable")]
    ]
    photos = one.encoded.photo, two.encoded.photo
    return Matches(tuple(pairs), one.segmentation, two.segmentation, len(alike), photos)


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The patches of one photograph's objects."""

    encoded: Encoded
    segmentation: Segmentation
    patches: NDArray[np.intp]
    """Their indices in the grid, ``(n,)``."""
    features: NDArray[np.float64]
    """What is compared, ``(n, d)``, each of length 1."""

    def pixel(self, index: int) -> tuple[int, int]:
        """The pixel ``(x, y)`` in the middle of one of them."""
        return middle_of(int(self.patches[index]), self.encoded.fit)


def side_of(encoded: Encoded, segmenter: Segmenter, facet: str) -> Side:
    """The patches whose middle lies on an object. Raises ``ImageError`` where there is none."""
    segmentation, fit = segmenter(encoded), encoded.fit
    middles = np.array([middle_of(patch, fit) for patch in range(fit.grid[0] * fit.grid[1])])  # (N, 2)
    patches = np.flatnonzero(segmentation.mask[middles[:, 1], middles[:, 0]])
    if not len(patches):
        method, reason = segmenter.options.method_name, segmentation.reason or "too_small"
        raise ImageError(f"{encoded.photo.id}: {method} finds no object ({reason}); try another --method.")
    assert encoded.features is not None
    features = to_numpy(encoded.features.facets[facet])[0]  # (gh, gw, d)
    return Side(encoded, segmentation, patches, unit(features.reshape(-1, features.shape[-1])[patches]))


def mutual(cosines: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of a table ``(n, m)`` that are each other's largest; there is one such pair at least."""
    columns, rows = cosines.argmax(axis=1), cosines.argmax(axis=0)  # (n,), (m,)
    first = np.flatnonzero(rows[columns] == np.arange(len(columns)))
    return first, columns[first]


def spread(features: NDArray[np.float64], alike: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Of pairs with features ``(n, 2 d)`` the most alike one of each of ``count`` clusters, ``(<= count,)``."""
    from sklearn.cluster import KMeans

    labels = KMeans(count, n_init=4, random_state=0).fit_predict(features)  # (n,)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return np.array([group[alike[group].argmax()] for group in groups])
