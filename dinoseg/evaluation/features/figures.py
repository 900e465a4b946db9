"""``features.png`` and ``tree.png``: where a network puts the pictures, and which classes it takes for alike."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from dinoseg.draw.class_tree import class_tree
from dinoseg.draw.feature_map import THUMBNAIL, feature_map
from dinoseg.errors import ImageError
from dinoseg.evaluation.features.gallery import NETWORK, Gallery
from dinoseg.images.decode import decode
from dinoseg.outputs.format import png_bytes
from dinoseg.types import Source

FILES = ("features.png", "tree.png")
MOST = 2000
"""Pictures on the map; of more, an even draw over the classes."""
TRIED = 400
"""Of these, pictures that may become thumbnails."""
PERPLEXITY = 30.0
DIMENSIONS = 50
"""Principal components that t-SNE sees, as its authors advise."""


def figures(gallery: Gallery, dataset: str, model: str) -> Callable[[], dict[str, bytes]]:
    """Both pictures by file name, drawn when they are asked for."""
    parts = [gallery.train] if gallery.test is None else [gallery.train, gallery.test]
    vectors = F.normalize(torch.cat([part.vectors[NETWORK] for part in parts]), dim=1).double().numpy()  # (n, d)
    labels = np.concatenate([part.labels for part in parts])  # (n,)
    sources = [source for part in parts for source in part.pictures.sources]

    def draw() -> dict[str, bytes]:
        shown = thinned(labels)
        pictures = [thumbnail(sources[index]) if place < TRIED else None for place, index in enumerate(shown)]
        heading = f"{dataset}: {len(shown)} pictures by t-SNE of their features ({model})"
        points = flattened(vectors[shown])
        map_ = feature_map(points, labels[shown], gallery.classes, pictures, heading)
        means = np.stack([vectors[labels == number].mean(axis=0) for number in range(len(gallery.classes))])
        typical = [sources[most_typical(vectors, labels, number, mean)] for number, mean in enumerate(means)]
        heading = f"{dataset}: classes by likeness of their mean features ({model})"
        tree = class_tree(means, gallery.classes, [thumbnail(source) for source in typical], heading)
        buffer = io.BytesIO()
        tree.savefig(buffer, format="png")
        return dict(zip(FILES, (png_bytes(map_), buffer.getvalue()), strict=True))

    return draw


def turns_of_classes(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers ``(n,)`` that rise with each further picture of a class: sorted by them, classes take turns."""
    turns = np.zeros(len(labels), np.int64)
    for number in np.unique(labels):
        own = np.flatnonzero(labels == number)
        turns[own] = np.arange(len(own))
    return turns


def thinned(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of at most ``MOST`` pictures, the classes in turns, shuffled within (fixed seed)."""
    mixed = np.random.default_rng(0).permutation(len(labels))
    order = np.argsort(turns_of_classes(labels[mixed]), kind="stable")
    return mixed[order][:MOST]


def flattened(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(n, d)`` -> ``(n, 2)``: t-SNE of the first principal components (van der Maaten and Hinton 2008).

    Of fewer than ten pictures the first two components themselves.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n = len(vectors)
    few = n < 10
    components = PCA(min(2 if few else DIMENSIONS, *vectors.shape), random_state=0).fit_transform(vectors)
    if few:
        return np.pad(components, ((0, 0), (0, max(0, 2 - components.shape[1]))))
    tsne = TSNE(perplexity=min(PERPLEXITY, (n - 1) / 3), init="pca", random_state=0)
    return np.asarray(tsne.fit_transform(components), np.float64)


def most_typical(
    vectors: NDArray[np.float64], labels: NDArray[np.int64], number: int, mean: NDArray[np.float64]
) -> int:
    """Position of the picture of a class that is most like the class's mean."""
    own = np.flatnonzero(labels == number)
    return int(own[(vectors[own] @ mean).argmax()])


def thumbnail(source: Source) -> PIL.Image.Image | None:
    """The picture again, small; None when it is gone since."""
    with suppress(ImageError):
        return PIL.Image.fromarray(decode(source, reduce_to=4 * THUMBNAIL).pixels)
    return None
