"""``kmeans``: patches grouped by what they look like, groups chosen by where CLS attention is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from dinoseg.backbone.features import to_numpy
from dinoseg.methods.affinity import attention_or_affinity
from dinoseg.methods.base import FacetMethod, nothing, one
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.grid import border_of
from dinoseg.methods.score import agreement
from dinoseg.methods.threshold import otsu_soft
from dinoseg.options import require
from dinoseg.types import Fit, Proposals

if TYPE_CHECKING:
    from torch import Tensor

    from dinoseg.backbone.features import Features

AUTOMATIC = range(2, 7)
"""How many clusters are tried where none are asked for."""


@dataclass(frozen=True)
class PatchClusters(FacetMethod):
    """k-means of patch features; clusters that CLS attention prefers and the border does not are the object.

    In a network without attention the mean product of each cell's feature with all cells' features, where that is
    positive, stands in for it.

    Score: correlation of the mask with the soft mask, times that with the fused CLS attention.
    """

    in_torch: ClassVar[bool] = True

    clusters: int | None = 3
    """How many groups of patches (none: 2 to 6, by the best silhouette; not better on average, and slower)."""

    def __post_init__(self) -> None:
        require(self.clusters is None or 2 <= self.clusters <= 64, "--param clusters", self.clusters, "2..64")

    def propose_batch(self, features: Features, fits: Sequence[Fit]) -> list[Proposals]:
        """One object at most in each image: the patches nearer to a foreground than to any background cluster."""
        (name,) = self.facets(features.family)
        points = features.facets[name].float().flatten(1, 2)  # (B, N, d)
        return [
            nearer(to_numpy(self.distances(rows)), fuse_heads(to_numpy(looked)), fit)
            for rows, looked, fit in zip(points, attention_or_affinity(features), fits, strict=True)
        ]

    def distances(self, features: Tensor) -> Tensor:
        """Of every patch ``(N, d)`` to every cluster, ``(N, k)``, lengths of features left out."""
        from torch.nn.functional import normalize

        from dinoseg.methods.clustering import distances  # torch: only once there is something to cluster

        points = normalize(features, dim=-1)
        if self.clusters is not None:
            return distances(points, self.clusters)
        return max((distances(points, clusters) for clusters in AUTOMATIC), key=lambda found: silhouette(points, found))


def silhouette(points: Tensor, distance: Tensor) -> float:
    """Mean silhouette (Rousseeuw 1987) by cosine of points ``(N, d)`` of length 1 in their nearest clusters, -1..1."""
    from sklearn.metrics import silhouette_score

    labels = distance.argmin(dim=1).cpu().numpy()
    if not 1 < len(np.unique(labels)) < len(labels):
        return -1.0
    apart = (1 - points @ points.T).clamp(min=0).fill_diagonal_(0)  # (N, N)
    return float(silhouette_score(apart.cpu().numpy(), labels, metric="precomputed"))


def nearer(distance: NDArray[np.float64], attention: NDArray[np.float64], fit: Fit) -> Proposals:
    """The object of one image, from distances of patches to clusters ``(N, k)`` and attention ``(gh, gw)``."""
    labels = distance.argmin(axis=1)  # (N,)
    chosen = otsu_soft(votes_of(labels.reshape(attention.shape), attention), fit)
    if chosen is None:
        return nothing("no_object")
    front = np.unique(labels[chosen.ravel() > 0.5])
    near, far = distance[:, front].min(axis=1), np.delete(distance, front, axis=1).min(axis=1)
    soft = (far / np.maximum(near + far, np.finfo(np.float32).tiny)).reshape(attention.shape).astype(np.float32)
    told = f"{len(front)} of {distance.shape[1]} clusters by CLS attention and border"
    return one(soft, agreement(soft, attention), told)


def votes_of(labels: NDArray[np.intp], attention: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each patch of the grid what speaks for its cluster, ``(gh, gw)``, at least 0.

    The cluster's mean attention, less in proportion to how often it is on the border: nothing is left at twice the
    border's share of the grid.
    """
    border = border_of(labels.shape)
    size = np.bincount(labels.ravel())
    looked = np.bincount(labels.ravel(), attention.ravel()) / np.maximum(size, 1)
    contact = np.bincount(labels[border], minlength=len(size)) / np.maximum(size, 1) / border.mean()
    return (looked * np.maximum(1 - contact / 2, 0))[labels]
