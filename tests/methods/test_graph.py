"""Eigenvectors of graphs against a dense solver."""

import numpy as np
import pytest
import scipy.linalg

from dinoseg.methods import graph
from dinoseg.methods.graph import alike, smallest

CASES = ("one14", "two12x20", "three20", "frame16", "thin18", "net14")
"""Golden features of a few patches."""


def weights_of(size=150, seed=0):
    weights = np.random.default_rng(seed).uniform(size=(size, size)) ** 4
    return weights + weights.T


def test_smallest_solves_the_generalised_problem():
    weights = weights_of()
    degree = np.diag(weights.sum(axis=1))
    expected, expected_vectors = scipy.linalg.eigh(degree - weights, degree, subset_by_index=[1, 3])
    values, vectors = smallest(weights, 3)
    np.testing.assert_allclose(values, expected, atol=1e-10)
    np.testing.assert_allclose(abs(np.sum(vectors * (degree @ expected_vectors), axis=0)), 1, atol=1e-9)


def test_smallest_is_the_same_every_time():
    np.testing.assert_array_equal(smallest(weights_of(), 2)[1], smallest(weights_of(), 2)[1])


def test_dense_solver_where_lanczos_does_not_converge(monkeypatch):
    quick, _ = smallest(weights_of(), 2)
    monkeypatch.setattr(graph, "ITERATIONS", 1)
    np.testing.assert_allclose(smallest(weights_of(), 2)[0], quick, atol=1e-9)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (np.ones((4, 4)), True),
        (np.eye(4), True),  # the diagonal does not count
        (np.eye(4) + np.eye(4, k=1) + np.eye(4, k=-1), False),
    ],
    ids=["all", "none", "a path"],
)
def test_alike(weights, expected):
    assert alike(weights) is expected
