"""Block Lanczos against LAPACK, precision by precision."""

import pytest
import torch

from dinoseg.methods import lanczos
from dinoseg.methods.lanczos import dense, krylov, orthogonal, second_pairs


def graph(size=200, second=0.2, third=0.6, dtype=torch.float32):
    """Three communities, ``(1, N, N)``: one as far from the others as ``second`` says, these as ``third`` says."""
    a, b = size // 3, 2 * size // 3
    weights = torch.ones(size, size, dtype=torch.float64)
    weights[:a, a:] = weights[a:, :a] = second
    weights[a:b, b:] = weights[b:, a:b] = third
    noise = torch.rand(size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (weights * (1 + noise + noise.T)).to(dtype)[None]


def start(size=200, dtype=torch.float32):
    return torch.randn(1, 3, size, generator=torch.Generator().manual_seed(1)).to(dtype)


def pair_of(weights):
    (pair,) = second_pairs(weights, start(weights.shape[-1], weights.dtype))
    return pair


def exact(weights):
    return dense(weights[0].double(), weights[0].double().sum(dim=-1))


def misfit(one, other):
    """Largest difference of two vectors up to sign, in units of the largest entry."""
    sign = torch.sign(one.vector @ other.vector)
    return float((one.vector - sign * other.vector).abs().max() / other.vector.abs().max())


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-9)], ids=str)
def test_second_pair(dtype, close):
    weights = graph(dtype=dtype)
    pair = pair_of(weights)
    assert pair.solver == str(dtype).removeprefix("torch.")
    assert misfit(pair, exact(weights)) < close
    second, third = exact(weights).eigenvalues
    assert abs(pair.eigenvalues[0] - second) < close
    assert abs(pair.eigenvalues[1] - third) < 1e-3


def test_a_small_gap_is_resolved_in_float64():
    weights = graph(second=0.2, third=0.2002)
    second, third = exact(weights).eigenvalues
    assert 1e-4 < third - second < 5e-3
    pair = pair_of(weights)
    assert pair.solver == "float64"
    assert misfit(pair, exact(weights)) < 1e-6


def test_dense_where_lanczos_does_not_converge(monkeypatch):
    weights = graph()
    assert pair_of(weights).solver == "float32"
    monkeypatch.setattr(lanczos, "PASSES", dict.fromkeys(lanczos.PASSES, 1))
    pair = pair_of(weights)
    assert pair.solver == "dense"
    assert misfit(pair, exact(weights)) < 1e-12


def test_small_graphs_are_solved_densely():
    assert pair_of(graph(lanczos.SMALL - 1)).solver == "dense"
    assert pair_of(graph(lanczos.SMALL)).solver == "float32"


def test_an_eigenvalue_that_is_there_twice_is_seen_twice():
    block = torch.ones(70, 70) + torch.eye(70)
    weights = torch.block_diag(block, block, block)[None] + 1e-3
    second, third = pair_of(weights).eigenvalues
    assert abs(third - second) < 1e-9


def test_a_graph_keeps_what_it_had_when_it_was_final():
    easy, hard = graph(), graph(second=0.8, third=0.9)
    both = torch.cat([easy, hard])
    degree, vectors = both.sum(dim=-1), start().expand(2, -1, -1)
    together = krylov(both, degree, vectors)
    for index in range(2):
        alone = krylov(both[index : index + 1], degree[index : index + 1], vectors[:1])
        torch.testing.assert_close(together.residuals[index], alone.residuals[0], rtol=0.5, atol=2e-7)
        torch.testing.assert_close(together.values[index], alone.values[0], rtol=0, atol=1e-6)


def test_vectors_are_made_orthogonal_even_if_they_lie_in_the_basis():
    random = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(1, 200, 9, generator=random)).Q.mT
    inside = torch.randn(1, 3, 9, generator=random) @ basis
    for vectors in (inside, torch.randn(1, 3, 200, generator=random), torch.zeros(1, 3, 200)):
        new = torch.cat([basis, orthogonal(vectors, basis)], dim=1)
        torch.testing.assert_close(new @ new.mT, torch.eye(12)[None], rtol=0, atol=1e-5)
