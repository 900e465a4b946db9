"""Block Lanczos against LAPACK, precision by precision."""

import numpy as np
import pytest
import scipy.linalg
import torch

from dinoseg.methods import lanczos
from dinoseg.methods.lanczos import dense, krylov, orthogonal, smallest_pairs


def graph(size=200, second=0.2, third=0.6, dtype=torch.float32):
    """Three communities, ``(1, N, N)``: one as far from the others as ``second`` says, these as ``third`` says."""
    a, b = size // 3, 2 * size // 3
    weights = torch.ones(size, size, dtype=torch.float64)
    weights[:a, a:] = weights[a:, :a] = second
    weights[a:b, b:] = weights[b:, a:b] = third
    noise = torch.rand(size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (weights * (1 + noise + noise.T)).to(dtype)[None]


def start(size=200, dtype=torch.float32, block=3):
    return torch.randn(1, block, size, generator=torch.Generator().manual_seed(1)).to(dtype)


def pairs_of(weights, k=1):
    (pairs,) = smallest_pairs(weights, start(weights.shape[-1], weights.dtype, k + 2), k)
    return pairs


def exact(weights, k=1):
    return dense(weights[0].double(), weights[0].double().sum(dim=-1), k)


def misfit(one, other):
    """Largest difference of two pairs' vectors, each up to sign, in units of the largest entry."""
    signs = torch.sign((one.vectors * other.vectors).sum(dim=-1, keepdim=True))
    return float((one.vectors - signs * other.vectors).abs().max() / other.vectors.abs().max())


def test_dense_solves_the_generalised_problem():
    weights = graph(dtype=torch.float64)
    degree = np.diag(weights[0].sum(dim=-1).numpy())
    values, vectors = scipy.linalg.eigh(degree - weights[0].numpy(), degree, subset_by_index=[1, 4])
    pairs = exact(weights, 3)
    np.testing.assert_allclose(pairs.eigenvalues, values, atol=1e-12)
    np.testing.assert_allclose(abs(np.diag(pairs.vectors.numpy() @ degree @ vectors)), 1, atol=1e-9)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-9)], ids=str)
@pytest.mark.parametrize("k", [1, 2])
def test_smallest_pairs(dtype, close, k):
    weights = graph(dtype=dtype)
    pairs = pairs_of(weights, k)
    assert pairs.solver == str(dtype).removeprefix("torch.")
    assert misfit(pairs, exact(weights, k)) < close
    *values, last = exact(weights, k).eigenvalues
    np.testing.assert_allclose(pairs.eigenvalues[:-1], values, atol=close)
    assert abs(pairs.eigenvalues[-1] - last) < 1e-3


@pytest.mark.parametrize("k", [6, 40, 63])  # of noise, whose eigenvalues lie close
def test_many_pairs(k):
    weights = graph(400)
    pairs = pairs_of(weights, k)
    np.testing.assert_allclose(pairs.eigenvalues, exact(weights, k).eigenvalues, atol=1e-3)
    overlap = (pairs.vectors * weights[0].double().sum(dim=-1)) @ exact(weights, k).vectors.T
    np.testing.assert_allclose(overlap.square().sum(dim=0), 1, atol=1e-6)  # one subspace


def test_a_gap_that_float32_cannot_resolve_is_resolved_in_float64(monkeypatch):
    weights = graph(second=0.2, third=0.2002)
    second, third = exact(weights).eigenvalues
    assert 1e-4 < third - second < 5e-3
    monkeypatch.setattr(lanczos, "SHARP", 1e-5)  # of that gap: below float32's rounding, above float64's residual
    pairs = pairs_of(weights)
    assert pairs.solver == "float64"
    assert misfit(pairs, exact(weights)) < 1e-6


def test_a_small_gap_between_two_that_are_both_asked_for_needs_no_float64():
    pairs = pairs_of(graph(second=0.2, third=0.2002), 2)
    assert pairs.solver == "float32"
    assert pairs.eigenvalues[1] - pairs.eigenvalues[0] < 5e-3


def test_dense_where_lanczos_does_not_converge(monkeypatch):
    weights = graph()
    assert pairs_of(weights).solver == "float32"
    monkeypatch.setattr(lanczos, "PASSES", dict.fromkeys(lanczos.PASSES, 1))
    pairs = pairs_of(weights)
    assert pairs.solver == "dense"
    assert misfit(pairs, exact(weights)) < 1e-12


def test_small_graphs_are_solved_densely():
    assert pairs_of(graph(lanczos.SMALL - 1)).solver == "dense"
    assert pairs_of(graph(lanczos.SMALL)).solver == "float32"


def test_an_eigenvalue_that_is_there_twice_is_seen_twice():
    block = torch.ones(70, 70) + torch.eye(70)
    weights = torch.block_diag(block, block, block)[None] + 1e-3
    pairs = pairs_of(weights)
    second, third = pairs.eigenvalues
    assert abs(third - second) < 1e-9
    assert pairs.arbitrary
    assert not pairs_of(weights, 2).arbitrary


@pytest.mark.parametrize("size", [30, 150], ids=["dense", "lanczos"])
def test_patches_that_are_joined_to_nothing_count_as_of_degree_1(size):
    weights = graph(size, dtype=torch.float64)
    weights[:, :5] = weights[..., :5] = 0
    degree = weights[0].sum(dim=-1)
    degree[:5] = 1
    matrix, degree = (torch.diag(degree) - weights[0]).numpy(), torch.diag(degree).numpy()
    pairs = pairs_of(weights, 2)
    values, _ = scipy.linalg.eigh(matrix, degree, subset_by_index=[1, 3])
    np.testing.assert_allclose(pairs.eigenvalues, values, atol=1e-5)
    np.testing.assert_allclose(pairs.vectors[:, :5], 0, atol=1e-9)


@pytest.mark.parametrize("size", [30, 150], ids=["dense", "lanczos"])
@pytest.mark.parametrize("weight", [0.0, 1.0], ids=["no edge", "all edges"])
def test_all_vectors_of_an_even_graph_are_arbitrary(size, weight):
    assert pairs_of(torch.full((1, size, size), weight), 3).arbitrary


def test_eigenvalues_that_differ_by_rounding_coincide():
    weights = torch.eye(48)[None] * (1 + 1e-7 * torch.randn(48, generator=torch.Generator().manual_seed(0)))
    pairs = pairs_of(weights)
    assert len(pairs.eigenvalues) == 2
    assert pairs.arbitrary


def test_a_graph_keeps_what_it_had_when_it_was_final():
    easy, hard = graph(), graph(second=0.8, third=0.9)
    both = torch.cat([easy, hard])
    degree, vectors = both.sum(dim=-1), start().expand(2, -1, -1)
    together = krylov(both, degree, vectors, 1)
    for index in range(2):
        alone = krylov(both[index : index + 1], degree[index : index + 1], vectors[:1], 1)
        torch.testing.assert_close(together.residuals[index], alone.residuals[0], rtol=0.5, atol=2e-7)
        torch.testing.assert_close(together.values[index], alone.values[0], rtol=0, atol=1e-6)


def test_vectors_are_made_orthogonal_even_if_they_lie_in_the_basis():
    random = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(1, 200, 9, generator=random)).Q.mT
    inside = torch.randn(1, 3, 9, generator=random) @ basis
    for vectors in (inside, torch.randn(1, 3, 200, generator=random), torch.zeros(1, 3, 200)):
        new = torch.cat([basis, orthogonal(vectors, basis)], dim=1)
        torch.testing.assert_close(new @ new.mT, torch.eye(12)[None], rtol=0, atol=1e-5)
