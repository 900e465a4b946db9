"""``spectral``: regions from the eigenvectors of the patch graph (deep spectral methods: Melas-Kyriazi et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dinoseg.methods.base import SimilarityMethod, View, nothing
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.graph import GAP, alike, smallest, unit
from dinoseg.methods.score import sharp
from dinoseg.options import require
from dinoseg.types import Proposals


@dataclass(frozen=True)
class Spectral(SimilarityMethod):
    """Deep spectral segmentation: the positive side of the second eigenvector, or k-means on several.

    The edges are the positive cosines of the features; the paper's colour term, which its commands leave out, is not
    here. With ``regions=many`` each cluster but the one with the longest border is an object. Without a threshold on
    the edges no family of networks needs centred features.

    Score: correlation of each mask with the fused CLS attention.
    """

    regions: Literal["one", "many"] = "one"
    """One object by one eigenvector, or several by all."""
    vectors: int = 5
    """How many eigenvectors, counting the constant first."""
    clusters: int | None = None
    """How many regions, background included (default: where the gap between eigenvalues is largest)."""
    centre: bool = False
    """Take the image's mean feature out first."""

    def __post_init__(self) -> None:
        require(3 <= self.vectors <= 64, "--param vectors", self.vectors, "3..64")
        require(self.clusters is None or 2 <= self.clusters <= 64, "--param clusters", self.clusters, "2..64")

    def propose(self, view: View) -> Proposals:
        """The object, or the regions, larger ones first."""
        attention = fuse_heads(view.attention)
        masks = self.masks(similarity(self.features(view)), view.fit.grid)
        found = [sharp(mask, attention, f"region {number}") for number, mask in enumerate(masks, 1)]
        return Proposals(tuple(found)) if found else nothing("degenerate_graph")

    def masks(self, weights: NDArray[np.float64], grid: tuple[int, int]) -> list[NDArray[np.bool_]]:
        """The objects, each ``(gh, gw)``, of a graph ``(N, N)``; none where its eigenvectors are arbitrary."""
        if len(weights) < 3 or alike(weights):
            return []
        values, vectors = smallest(weights, min(self.vectors, len(weights)) - 1)
        vectors = signed(vectors)
        if self.regions == "one":
            return [(vectors[:, 0] > 0).reshape(grid)] if values[1] - values[0] >= GAP else []
        return front(grouped(vectors, self.clusters or eigengap(values)).reshape(grid))


def similarity(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positive cosines of features ``(N, d)``, the others 0, ``(N, N)``; the largest is 1."""
    rows = unit(features)
    return np.maximum(rows @ rows.T, 0)


def signed(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eigenvectors ``(N, k)``, each turned so that not more than half of its entries are positive."""
    return np.where((vectors > 0).mean(axis=0) > 0.5, -vectors, vectors)


def eigengap(values: NDArray[np.float64]) -> int:
    """How many regions: as many as there are eigenvalues below the largest gap; ``values`` lack the first, whose gap
    does not count.
    """
    return 2 + int(np.diff(values).argmax())


def grouped(vectors: NDArray[np.float64], clusters: int) -> NDArray[np.intp]:
    """k-means labels of the rows of ``(N, k)``, ``(N,)``."""
    import torch

    from dinoseg.methods.clustering import distances

    return distances(torch.from_numpy(vectors), clusters).argmin(dim=1).numpy()


def front(labels: NDArray[np.intp]) -> list[NDArray[np.bool_]]:
    """The regions of a label map ``(gh, gw)``, larger ones first, without the one with most of the border.

    A corner is on two sides and counts twice.
    """
    sides = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    back = np.bincount(sides).argmax()
    masks = [labels == label for label in np.unique(labels) if label != back]
    return sorted(masks, key=np.count_nonzero, reverse=True)
