"""``kmeans``: patches grouped by what they look like, groups chosen by where CLS attention is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from dinoseg.methods.base import FacetMethod, View, nothing, one
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.graph import unit
from dinoseg.methods.grid import border_of
from dinoseg.methods.score import agreement
from dinoseg.methods.threshold import otsu_soft
from dinoseg.options import require
from dinoseg.types import Proposals

STARTS = 10
"""k-means++ starts, from a fixed seed; the best is kept."""


@dataclass(frozen=True)
class PatchClusters(FacetMethod):
    """k-means of patch features; clusters that CLS attention prefers and the border does not are the object.

    Score: correlation of the mask with the soft mask, times that with the fused CLS attention.
    """

    clusters: int = 3
    """How many groups of patches."""

    def __post_init__(self) -> None:
        require(2 <= self.clusters <= 64, "--param clusters", self.clusters, "2..64")

    def propose(self, view: View) -> Proposals:
        """One object at most: the patches nearer to a foreground than to any background cluster."""
        (name,) = self.facets(view.family)
        attention = fuse_heads(view.attention)  # (gh, gw)
        distance = distances(unit(view.facets[name]), self.clusters)  # (N, k)
        labels = distance.argmin(axis=1)  # (N,)
        chosen = otsu_soft(votes_of(labels.reshape(attention.shape), attention), view.fit)
        if chosen is None:
            return nothing("no_object")
        front = np.unique(labels[chosen.ravel() > 0.5])
        near, far = distance[:, front].min(axis=1), np.delete(distance, front, axis=1).min(axis=1)
        soft = (far / (near + far)).reshape(attention.shape).astype(np.float32)
        told = f"{len(front)} of {distance.shape[1]} clusters by CLS attention and border"
        return one(soft, agreement(soft, attention), told)


def distances(points: NDArray[np.float64], clusters: int) -> NDArray[np.float64]:
    """Distance of every point ``(N, d)`` to every centre, ``(N, k)``; fewer centres than asked for where there are
    fewer different points.
    """
    clusters = min(clusters, len(np.unique(points, axis=0)))
    return KMeans(clusters, n_init=STARTS, random_state=0).fit_transform(points)


def votes_of(labels: NDArray[np.intp], attention: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each patch of the grid what speaks for its cluster, ``(gh, gw)``, at least 0.

    The cluster's mean attention, less in proportion to how often it is on the border: nothing is left at twice the
    border's share of the grid.
    """
    border = border_of(labels.shape)
    size = np.bincount(labels.ravel())
    looked = np.bincount(labels.ravel(), attention.ravel()) / size
    contact = np.bincount(labels[border], minlength=len(size)) / size / border.mean()
    return (looked * np.maximum(1 - contact / 2, 0))[labels]
