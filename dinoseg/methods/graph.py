"""The patches of an image as a graph, and its normalised cut (Shi and Malik 2000; TokenCut: Wang et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError, eigsh

EPS = 1e-5
"""Weight between patches that are not alike: it keeps the graph connected."""
GAP = 1e-8
"""Second and third eigenvalue nearer than this: the vector is any mixture of two."""
LONELY = 1e-12
"""A patch of smaller degree is joined to nothing."""
ITERATIONS = 300
"""Lanczos restarts before the dense solver takes over."""
TIE = 1e-9
"""Patches with equal rows have equal entries up to rounding: within this share of the largest they count as equal."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """The best way to cut a graph in two."""

    vector: NDArray[np.float64]
    """Second smallest generalised eigenvector of (D - A, D), ``(N,)``, D-normalised, positive at ``seed``."""
    eigenvalues: tuple[float, float]
    """Second and third smallest, 0..2; the first is 0."""
    seed: int
    """The first patch of largest absolute entry."""


def unit(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features ``(N, d)``, each scaled to length 1; zeros stay zeros."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(np.float64).tiny)


def affinity(features: NDArray[np.float64], tau: float, *, weighted: bool = False) -> NDArray[np.float64]:
    """Who is like whom, ``(N, N)``, from features ``(N, d)``.

    1 where the cosine is above ``tau``, else ``EPS`` (a feature of zeros is not even like itself). ``weighted``: the
    cosine itself where it is at least ``tau``.
    """
    rows = unit(features)
    cosine = rows @ rows.T  # (N, N)
    return np.where(cosine >= max(tau, EPS), cosine, EPS) if weighted else np.where(cosine > tau, 1.0, EPS)


def normalised_cut(weights: NDArray[np.float64]) -> Cut | None:
    """The cut of a graph with positive weights ``(N, N)``, or None where it is arbitrary.

    That is so with fewer than three patches, with all pairs (or none) alike, and where the second and third eigenvalue
    coincide.
    """
    if len(weights) < 3 or alike(weights):
        return None
    (second, third), vectors = smallest(weights, 2)
    if third - second < GAP:
        return None
    vector = vectors[:, 0]
    seed = int((abs(vector) >= (1 - TIE) * abs(vector).max()).argmax())
    return Cut(vector * np.sign(vector[seed]), (float(second), float(third)), seed)


def smallest(weights: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The smallest generalised eigenvalues of (D - A, D) after the first, which is 0: ``(count,)``, rising, 0..2, and
    their D-normalised vectors, ``(N, count)``.

    For a graph ``(N, N)`` of weights of at least 0; a patch with none counts as of degree 1. Solved as the largest
    eigenpairs of D^-1/2 A D^-1/2, whose top pair is known.
    """
    degree = weights.sum(axis=1)  # (N,)
    root = np.where(degree < LONELY, 1, degree) ** -0.5
    matrix = weights * root[:, None] * root  # (N, N), eigenvalues -1..1
    known = np.sqrt(degree / degree.sum())  # its top eigenvector, of eigenvalue 1 ...
    matrix -= 2 * np.outer(known, known)  # ... moved to -1, below all others
    values, vectors = largest(matrix, count)
    return 1 - values[::-1], root[:, None] * vectors[:, ::-1]


def alike(weights: NDArray[np.float64]) -> bool:
    """Whether all pairs of different patches have the same weight."""
    count = len(weights)
    pairs = weights.ravel()[1:].reshape(count - 1, count + 1)[:, :-1]  # a view on all but the diagonal
    return bool(np.ptp(pairs) <= TIE)


def largest(matrix: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ``count`` largest eigenvalues, rising, and their vectors ``(N, count)``, of a symmetric matrix.

    Lanczos from a fixed start, so that equal input gives equal output; the dense solver where it does not converge.
    """
    start = np.random.default_rng(0).standard_normal(len(matrix))
    try:
        return eigsh(matrix, k=count, which="LA", v0=start, maxiter=ITERATIONS)
    except ArpackError:
        size = len(matrix)
        return scipy.linalg.eigh(matrix, subset_by_index=[size - count, size - 1])
