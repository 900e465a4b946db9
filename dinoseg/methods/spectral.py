"""``spectral``: regions from the eigenvectors of the patch graph (deep spectral methods: Melas-Kyriazi et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dinoseg.backbone.features import to_numpy
from dinoseg.methods.affinity import attention_or_affinity
from dinoseg.methods.base import SimilarityMethod, nothing
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.score import sharp
from dinoseg.options import require
from dinoseg.types import Fit, Photo, Proposals

if TYPE_CHECKING:
    from torch import Tensor

    from dinoseg.backbone.features import Features
    from dinoseg.methods.lanczos import Pairs


@dataclass(frozen=True)
class Spectral(SimilarityMethod):
    """Deep spectral segmentation: the positive side of the second eigenvector, or k-means on several.

    The edges are the positive cosines of the features, and ``colour`` times how often two patches are among each
    other's nearest in colour and place (the published function adds 10 times that, the published commands nothing).
    With ``regions=many`` each cluster but the one with the longest border is an object. Without a threshold on the
    edges no family of networks needs centred features.

    Score: correlation of each mask with the fused CLS attention; in a network without it, with the mean product of each
    cell's feature with all cells' features, where that is positive.
    """

    in_torch: ClassVar[bool] = True

    regions: Literal["one", "many"] = "one"
    """One object by one eigenvector, or several by all."""
    vectors: int = 5
    """How many eigenvectors make several regions, counting the constant first."""
    clusters: int | None = None
    """How many regions, background included (default: where the gap between eigenvalues is largest)."""
    colour: float = 0.0
    """Weight of like colours beside the cosines, 0 or more (1 and less change nothing, 10 makes masks worse)."""
    centre: bool = False
    """Take the image's mean feature out first."""

    def __post_init__(self) -> None:
        require(3 <= self.vectors <= 64, "--param vectors", self.vectors, "3..64")
        require(self.clusters is None or 2 <= self.clusters <= 64, "--param clusters", self.clusters, "2..64")
        require(0 <= self.colour <= 1000, "--param colour", self.colour, "0..1000")

    def propose_seen(self, features: Features, photos: Sequence[Photo], fits: Sequence[Fit]) -> list[Proposals]:
        """The object of each image, or its regions, larger ones first."""
        from dinoseg.methods.laplacian import laplacian_pairs  # torch: only once there is something to solve

        given = self.batch_features(features)  # (B, N, d)
        k = min(1 if self.regions == "one" else self.vectors - 1, given.shape[1] - 2)
        if k < 1:
            return [nothing("degenerate_graph")] * len(fits)
        pairs = laplacian_pairs(given, photos, features.grid, k, self.colour)
        attention = map(fuse_heads, map(to_numpy, attention_or_affinity(features)))  # each (gh, gw)
        return [self.objects(*one) for one in zip(pairs, attention, strict=True)]

    def objects(self, pairs: Pairs, attention: NDArray[np.float64]) -> Proposals:
        """What the eigenvectors of one image tell apart, scored with attention ``(gh, gw)``."""
        masks = [] if pairs.arbitrary else self.masks(pairs, attention.shape)
        found = [sharp(mask, attention, f"region {number}") for number, mask in enumerate(masks, 1)]
        return Proposals(tuple(found)) if found else nothing("degenerate_graph")

    def masks(self, pairs: Pairs, grid: tuple[int, ...]) -> list[NDArray[np.bool_]]:
        """The objects, each ``(gh, gw)``."""
        if self.regions == "one":
            return [smaller_side(pairs.vectors[0].numpy()).reshape(grid)]
        clusters = self.clusters or eigengap(pairs.eigenvalues[:-1])
        return front(grouped(pairs.vectors, clusters).reshape(grid))


def smaller_side(vector: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where an eigenvector ``(N,)`` is positive, turned so that this is not more than half of it."""
    side = vector > 0
    return vector < 0 if side.mean() > 0.5 else side


def eigengap(values: Sequence[float]) -> int:
    """How many regions: as many as there are eigenvalues below the largest gap; ``values`` lack the first, whose gap
    does not count.
    """
    return 2 + int(np.diff(values).argmax()) if len(values) > 1 else 2


def grouped(vectors: Tensor, clusters: int) -> NDArray[np.intp]:
    """k-means labels ``(N,)`` of the patches by their entries in the eigenvectors ``(k, N)``."""
    from dinoseg.methods.clustering import distances

    return distances(vectors.T, clusters).argmin(dim=1).numpy()


def front(labels: NDArray[np.intp]) -> list[NDArray[np.bool_]]:
    """The regions of a label map ``(gh, gw)``, larger ones first, without the one with most of the border.

    A corner is on two sides and counts twice.
    """
    sides = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    back = np.bincount(sides).argmax()
    masks = [labels == label for label in np.unique(labels) if label != back]
    return sorted(masks, key=np.count_nonzero, reverse=True)
