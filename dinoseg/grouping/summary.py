"""What is told of each group: how many, how well apart, which photographs show it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinoseg.draw.colours import object_colours
from dinoseg.grouping.clusters import Clusters

EXAMPLES = 6
"""Photographs named for each group."""


@dataclass(frozen=True, slots=True)
class Example:
    """A region near the middle of its group."""

    id: str
    """Of the photograph."""
    object: int
    """Label of the object in it, as in the manifest."""
    distance: float
    """To the group's centre, 0..2 (see ``clusters.Space``)."""


@dataclass(frozen=True, slots=True)
class Group:
    """One cluster of objects: how many, in how many photographs, and examples."""

    label: int
    """1..K: its value in the label maps."""
    colour: str
    """``#rrggbb`` in label maps and overlays."""
    regions: int
    photographs: int
    score: float | None
    """Mean silhouette, -1..1 (see ``Clusters.scores``)."""
    examples: tuple[Example, ...]


def summarise(clusters: Clusters, ids: Sequence[str], counts: Sequence[int]) -> list[Group]:
    """The groups, largest first; ``ids`` and ``counts`` say which photograph has how many of the rows, in order."""
    owner = np.repeat(np.arange(len(ids)), counts)  # (n,) position of the row's photograph
    start = np.concatenate([[0], np.cumsum(counts)])
    colours = object_colours(clusters.count)
    groups = []
    for label, (score, colour) in enumerate(zip(clusters.scores, colours, strict=True), 1):
        rows = np.flatnonzero(clusters.labels == label)
        examples = tuple(
            Example(ids[owner[row]], int(row - start[owner[row]]) + 1, round(float(clusters.distances[row]), 4))
            for row in nearest_by_owner(rows, clusters.distances, owner)
        )
        photographs = len(np.unique(owner[rows]))
        groups.append(Group(label, f"#{bytes(colour).hex()}", len(rows), photographs, score, examples))
    return groups


def nearest_by_owner(rows: NDArray[np.intp], distances: NDArray[np.float32], owner: NDArray[np.intp]) -> list[int]:
    """The rows nearest to the centre, at most one of each photograph, at most ``EXAMPLES``."""
    order = rows[np.argsort(distances[rows], kind="stable")]
    _, first = np.unique(owner[order], return_index=True)
    return [int(row) for row in order[np.sort(first)][:EXAMPLES]]
