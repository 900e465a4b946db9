"""The patches of an image as a graph, and its lowest eigenvectors (Shi and Malik 2000)."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError, eigsh

GAP = 1e-8
"""Second and third eigenvalue nearer than this: the vector is any mixture of two."""
LONELY = 1e-12
"""A patch of smaller degree is joined to nothing."""
ITERATIONS = 300
"""Lanczos restarts before the dense solver takes over."""
TIE = 1e-9
"""Weights nearer than this are equal."""


def unit(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features ``(N, d)``, each scaled to length 1; zeros stay zeros."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(np.float64).tiny)


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
