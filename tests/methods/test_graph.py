"""The normalised cut against the reference's arrays, a dense solver, and graphs that have none."""

from pathlib import Path

import numpy as np
import pytest
import scipy.linalg

from dinoseg.methods import graph
from dinoseg.methods.graph import affinity, normalised_cut

CASES = ("one14", "two12x20", "three20", "frame16", "thin18", "net14")


def two_groups(sizes=(12, 20), width=16, noise=0.2, seed=0):
    random = np.random.default_rng(seed)
    directions = random.normal(size=(len(sizes), width))
    return np.repeat(directions, sizes, axis=0) + noise * random.normal(size=(sum(sizes), width))


@pytest.mark.shared
@pytest.mark.parametrize("case", CASES)
def test_golden_binary_graph(shared: Path, case):
    golden = np.load(shared / "golden" / "methods.npz")
    weights = affinity(golden[f"{case}/feats"][1:].astype(np.float64), 0.2)
    cut = normalised_cut(weights)
    vector = golden[f"{case}/tc_eigvec"].ravel()
    assert (weights == 1).sum() == golden[f"{case}/tc_edges"]
    np.testing.assert_allclose(cut.eigenvalues, golden[f"{case}/tc_eigvals"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(cut.vector, vector * np.sign(vector[cut.seed]), rtol=1e-6, atol=1e-6 * abs(vector).max())
    assert abs(vector[cut.seed]) >= (1 - 1e-6) * abs(vector).max()  # seeds tie
    assert cut.vector[cut.seed] > 0


@pytest.mark.shared
@pytest.mark.parametrize("case", CASES)
def test_golden_weighted_graph(shared: Path, case):
    golden = np.load(shared / "golden" / "methods.npz")
    cut = normalised_cut(affinity(golden[f"{case}/feats"][1:].astype(np.float64), 0.2, weighted=True))
    vector = golden[f"{case}/tcw_eigvec"].ravel()
    np.testing.assert_allclose(cut.eigenvalues, golden[f"{case}/tcw_eigvals"], rtol=0, atol=1e-5)
    vector = vector * np.sign(vector[cut.seed])
    close = 3e-3 if case == "frame16" else 1e-3  # the reference is float32, and frame16's eigenvalue only 3e-5
    np.testing.assert_allclose(cut.vector, vector, rtol=0, atol=close * abs(vector).max())


def test_affinity():
    features = np.array([[1.0, 0], [3, 4], [0, 2], [0, 0]])  # cosines 0.6, 0 and 0.8; the last has no direction
    joined = [[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(affinity(features, 0.7), np.where(joined, 1, graph.EPS))
    cosines = [[1, 0, 0, 0], [0, 1, 0.8, 0], [0, 0.8, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(affinity(features, 0.7, weighted=True), np.where(joined, cosines, graph.EPS))


def test_tau_itself_counts_only_with_weights():
    features = np.array([[1.0, 0], [3, 4]])  # cosine 0.6
    assert affinity(features, 0.6)[0, 1] == graph.EPS
    assert affinity(features, 0.6, weighted=True)[0, 1] == 0.6


def test_weights_are_positive():
    assert affinity(np.eye(2), 0.0, weighted=True)[0, 1] == graph.EPS


def test_cut_solves_the_generalised_problem():
    weights = affinity(two_groups(), 0.2)
    degree = np.diag(weights.sum(axis=1))
    values, vectors = scipy.linalg.eigh(degree - weights, degree, subset_by_index=[1, 2])
    cut = normalised_cut(weights)
    np.testing.assert_allclose(cut.eigenvalues, values, atol=1e-10)
    np.testing.assert_allclose(cut.vector, vectors[:, 0] * np.sign(vectors[cut.seed, 0]), atol=1e-9)
    np.testing.assert_allclose(cut.vector @ degree @ cut.vector, 1)


def test_cut_is_the_same_every_time():
    weights = affinity(two_groups(noise=1.0), 0.2)
    first, second = normalised_cut(weights), normalised_cut(weights.copy())
    np.testing.assert_array_equal(first.vector, second.vector)
    assert first.seed == second.seed


def test_dense_solver_where_lanczos_does_not_converge(monkeypatch):
    weights = affinity(two_groups((60, 90), noise=2.0), 0.2)
    quick = normalised_cut(weights)
    monkeypatch.setattr(graph, "ITERATIONS", 1)
    np.testing.assert_allclose(normalised_cut(weights).vector, quick.vector, atol=1e-9)


@pytest.mark.parametrize(
    "features",
    [
        np.ones((1, 4)),  # one patch
        np.eye(2),  # two patches
        np.ones((9, 4)),  # all edges
        np.zeros((9, 4)),  # no direction at all
        np.eye(9),  # no edges
        np.repeat(np.eye(3), 5, axis=0),  # three equal groups: any of them may be cut off
    ],
    ids=["one", "two", "all edges", "zeros", "no edges", "three equal groups"],
)
def test_a17_graphs_without_a_cut(features):
    assert normalised_cut(affinity(features.astype(np.float64), 0.2)) is None
    assert normalised_cut(affinity(features.astype(np.float64), 0.2, weighted=True)) is None
