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
    coincide. Solved as the largest eigenpairs of D^-1/2 A D^-1/2, whose top pair is known.
    """
    if len(weights) < 3 or alike(weights):
        return None
    degree = weights.sum(axis=1)  # (N,)
    root = degree**-0.5
    matrix = weights * root[:, None] * root  # (N, N), eigenvalues -1..1
    known = np.sqrt(degree / degree.sum())  # its top eigenvector, of eigenvalue 1 ...
    matrix -= 2 * np.outer(known, known)  # ... moved to -1, below all others
    (third, second), vectors = largest_two(matrix)
    if second - third < GAP:
        return None
    vector = root * vectors[:, 1]
    seed = int((abs(vector) >= (1 - TIE) * abs(vector).max()).argmax())
    return Cut(vector * np.sign(vector[seed]), (1 - float(second), 1 - float(third)), seed)


def alike(weights: NDArray[np.float64]) -> bool:
    """Whether all pairs of different patches have the same weight."""
    count = len(weights)
    pairs = weights.ravel()[1:].reshape(count - 1, count + 1)[:, :-1]  # a view on all but the diagonal
    return bool(np.ptp(pairs) <= TIE)


def largest_two(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two largest eigenvalues, rising, and their vectors ``(N, 2)``, of a symmetric matrix.

    Lanczos from a fixed start, so that equal input gives equal output; the dense solver where it does not converge.
    """
    start = np.random.default_rng(0).standard_normal(len(matrix))
    try:
        return eigsh(matrix, k=2, which="LA", v0=start, maxiter=ITERATIONS)
    except ArpackError:
        last = len(matrix) - 1
        return scipy.linalg.eigh(matrix, subset_by_index=[last - 1, last])
