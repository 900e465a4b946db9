"""One ranking under retrieval and copy detection: cosines, and the average precision of what they bring first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

CHUNK = 256
"""Queries at once: their whole rankings are held."""


def rankings(queries: Tensor, database: Tensor) -> Iterator[NDArray[np.int64]]:
    """For each query ``(d,)`` the positions of the database ``(m, d)`` by falling cosine, ``(m,)``; ties in order."""
    database = F.normalize(database, dim=1)
    for chunk in F.normalize(queries, dim=1).split(CHUNK):
        similar = chunk @ database.T  # (b, m)
        yield from similar.argsort(dim=1, descending=True, stable=True).numpy()


def average_precision(ranking: NDArray[np.int64], wanted: NDArray[np.bool_], junk: NDArray[np.bool_]) -> float:
    """Average precision of one ranking in the Oxford convention: trapezoids under precision over recall.

    ``ranking`` ``(m,)`` positions of the database, best first; ``wanted`` and ``junk`` ``(m,)`` by position. Junk is
    taken out before anything is counted (Philbin et al. 2007). NaN when nothing is wanted.
    """
    hits = wanted[ranking[~junk[ranking]]]  # (m - junk,)
    places = np.flatnonzero(hits)
    if not len(places):
        return float("nan")
    hits_before = np.arange(len(places))
    before = np.where(places > 0, hits_before / np.maximum(places, 1), 1.0)
    return float(np.mean((before + (hits_before + 1) / (places + 1)) / 2))


def precision_at(ranking: NDArray[np.int64], wanted: NDArray[np.bool_], junk: NDArray[np.bool_], k: int) -> float:
    """Share of the wanted among the first ``k`` that are not junk."""
    return float(np.mean(wanted[ranking[~junk[ranking]][:k]]))
