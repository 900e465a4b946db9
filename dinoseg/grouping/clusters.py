"""k-means over more rows than fit into memory: started on a sample, carried on in batches; K by BIC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin_min, silhouette_samples

from dinoseg.grouping.store import Store

AXES = 32
"""Principal axes on which descriptors are compared: as good as all 384, and a tenth of the work."""
TINY = 1e-6
"""A difference from the mean that is no difference."""
SAMPLE = 16384
"""Rows on which k-means starts; where there are no more, it ends there too and is exact."""
JUDGED = 3072
"""Rows of which silhouettes are taken, as the work grows with their square, and by which K is looked for."""
STARTS = 10
"""k-means++ starts of the sample, from a fixed seed; the best is kept."""
STARTS_TRIED = 3
"""The same for each K that is only tried."""
MOST_TRIED = 30
"""K is looked for in 1..30."""
FEWEST = 4
"""Rows a cluster has on average at least, where K is looked for: fewer say nothing of how wide it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Which cluster every row is in."""

    labels: NDArray[np.int64]
    """``(n,)``: 1..K, the cluster of most rows first; 0 is left for the background."""
    distances: NDArray[np.float32]
    """``(n,)``: distance to the cluster's centre, 0..2, where all rows have length 1 (see ``Space``)."""
    scores: tuple[float | None, ...]
    """Mean silhouette of each cluster, -1..1, over the rows that were judged; None where there were none."""
    tried: dict[int, float] = field(default_factory=dict)
    """BIC by K, where K was looked for (``bic``)."""

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return len(self.scores)


def cluster(store: Store, count: int | None = None) -> Clusters:
    """Group the rows of a store, which should be in random order, into ``count`` clusters.

    None: into as many, of 1..30, as have the lowest BIC on the first rows. Fewer than
    asked for where there are fewer different rows. The same rows in the same order give the same clusters.
    """
    if not len(store):
        return Clusters(np.zeros(0, np.int64), np.zeros(0, np.float32), ())
    sample = store.head(SAMPLE)  # (m, d)
    space = Space(sample)
    sample = space(sample)  # (m, AXES)
    judged = sample[:JUDGED]
    tried = {} if count else try_all(judged)
    wanted = count or min(tried, key=lambda k: tried[k], default=1)
    centres = best_start(sample, wanted, STARTS).cluster_centers_  # (K, AXES)
    if len(store) > len(sample):
        centres = carried_on(map(space, store.chunks()), centres)
    nearest = [pairwise_distances_argmin_min(space(chunk), centres) for chunk in store.chunks()]
    labels = by_size(np.concatenate([labels for labels, _ in nearest]))  # (n,)
    distances = np.concatenate([distance for _, distance in nearest])
    return Clusters(labels, distances.astype(np.float32), silhouettes(judged, labels), tried)


class Space:
    """Where rows are compared: less the mean of all, on their first principal axes, of length 1.

    All descriptors of a network have much in common; what is left of them is what tells one from another.
    """

    def __init__(self, rows: NDArray[np.float32]) -> None:
        self.mean = rows.mean(axis=0, dtype=np.float64)  # (d,)
        centred = rows - self.mean
        _, vectors = np.linalg.eigh(centred.T @ centred)  # (d, d), weakest first
        self.axes = vectors[:, ::-1][:, :AXES]  # (d, AXES)

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows ``(m, d)`` as ``(m, AXES)``; what does not differ from the mean stays near 0."""
        places = (rows - self.mean) @ self.axes
        return (places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), TINY)).astype(np.float32)


def best_start(rows: NDArray[np.float32], count: int, starts: int) -> KMeans:
    """k-means of rows ``(m, d)``; no more clusters than there are different rows."""
    count = min(count, len(np.unique(rows, axis=0)))
    return KMeans(count, n_init=starts, random_state=0).fit(rows)


def try_all(rows: NDArray[np.float32]) -> dict[int, float]:
    """BIC of rows ``(m, d)`` for each K that they can be grouped into; empty for a handful of rows."""
    different = len(np.unique(rows, axis=0))
    most = min(MOST_TRIED, different, len(rows) // FEWEST)
    return {count: bic(rows, best_start(rows, count, STARTS_TRIED)) for count in range(1, most + 1)}


def bic(rows: NDArray[np.float32], model: KMeans) -> float:
    """Bayesian information criterion (Schwarz 1978) of rows ``(m, d)`` in clusters that are round and equally wide, as
    X-means has it (Pelleg and Moore 2000); lower is better.

    The mean silhouette says 2 of nearly every folder, for two halves are always further apart than more parts.
    """
    (m, d), k = rows.shape, len(model.cluster_centers_)
    sizes = np.bincount(model.labels_, minlength=k)
    variance = max(float(model.inertia_) / (d * (m - k)), TINY**2)
    likelihood = float(sizes @ np.log(sizes / m)) - d / 2 * (m * np.log(2 * np.pi * variance) + m - k)
    return float((k - 1 + k * d + 1) * np.log(m) - 2 * likelihood)


def carried_on(chunks: Iterable[NDArray[np.float32]], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """The centres ``(K, d)`` after mini-batch k-means (Sculley 2010) has seen all chunks ``(m, d)`` once."""
    model = MiniBatchKMeans(len(centres), init=centres, n_init=1, reassignment_ratio=0, random_state=0)
    for chunk in chunks:
        model.partial_fit(chunk)
    return model.cluster_centers_


def by_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Any labels ``(n,)`` as 1..K: the cluster of most rows first, of equal ones the one that comes first."""
    _, first, inverse, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(1, len(sizes) + 1)
    return rank[inverse]


def silhouettes(rows: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[float | None, ...]:
    """Mean silhouette of each cluster 1..K of ``labels`` ``(n,)``, from the first of them, those of ``rows``."""
    judged = labels[: len(rows)]
    if not 2 <= len(np.unique(judged)) < len(rows):
        return (None,) * int(labels.max())
    values = silhouette_samples(rows, judged)  # (m,)
    means = [
        values[judged == label].mean() if (judged == label).any() else None for label in range(1, labels.max() + 1)
    ]
    return tuple(None if mean is None else float(mean) for mean in means)
