"""The top of the spectrum of graphs, a batch at a time: block Lanczos below a known first eigenvector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import scipy.linalg
import torch
from torch import Tensor

SMALL = 128
"""Graphs of fewer patches are solved densely: there is little to gain, and a basis (of 121 at most) might not fit."""
PASSES = {torch.float32: 12, torch.float64: 30}
"""Products with the matrix before the next precision, or the dense solver, takes over; about 5 are usual."""
RESIDUAL = {torch.float32: 2e-6, torch.float64: 1e-10}
"""What rounding leaves of |M u - mu u| for a unit vector u, with some room."""
SHARP = 1e-4
"""A vector's error is its residual over the gap to the next eigenvalue; above this share the vector is not known."""
THIRD = 0.25
"""The third eigenvalue need only be known to this share of the gap."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The second eigenpair of one graph, and the third eigenvalue."""

    vector: Tensor
    """Generalised eigenvector of (D - W, D), ``(N,)``, float64 on the CPU, D-normalised."""
    eigenvalues: tuple[float, float]
    """Second and third smallest, 0..2."""
    solver: str
    """What found it: ``float32`` or ``float64`` (block Lanczos), or ``dense``."""


@dataclass(frozen=True, slots=True, eq=False)
class Ritz:
    """What a Krylov basis knows of the two largest eigenpairs of each matrix of a batch."""

    values: Tensor
    """``(B, 2)``, falling."""
    vectors: Tensor
    """``(B, 2, N)``, of length 1."""
    residuals: Tensor
    """|M u - mu u|, ``(B, 2)``."""

    @property
    def gap(self) -> Tensor:
        """Between the two values, ``(B,)``."""
        return self.values[:, 0] - self.values[:, 1]

    def final(self) -> Tensor:
        """Where more products would not help: all that this precision can tell is told, ``(B,)``."""
        floor = RESIDUAL[self.values.dtype]
        return (self.residuals[:, 0] <= floor) & (self.residuals[:, 1] <= (THIRD * self.gap).clamp(min=floor))

    def known(self) -> Tensor:
        """Where the first vector is told apart from the second, ``(B,)``."""
        return self.final() & (self.residuals[:, 0] <= SHARP * self.gap)

    def unless_final(self, old: Ritz) -> Ritz:
        """The older state where it was final already."""
        done = old.final()
        return Ritz(
            torch.where(done[:, None], old.values, self.values),
            torch.where(done[:, None, None], old.vectors, self.vectors),
            torch.where(done[:, None], old.residuals, self.residuals),
        )


def second_pairs(weights: Tensor, start: Tensor) -> Iterator[Pair]:
    """The second eigenpair of each graph of positive weights ``(B, N, N)``, N at least 3.

    ``start``: a few vectors ``(B, b, N)`` near the eigenvectors searched for, b at least 2, so that an eigenvalue that
    is there twice is seen. Solved in the precision of the weights; a graph whose gap that cannot resolve is solved
    again in float64, and densely where Lanczos does not converge. So a pair hangs on nothing but its own graph.
    """
    degree = weights.sum(dim=-1)  # (B, N)
    ritz = krylov(weights, degree, start) if weights.shape[-1] >= SMALL else None
    known = ritz.known().tolist() if ritz else [False] * len(weights)
    for index, graph in enumerate(weights):
        if ritz and known[index]:
            yield pair(ritz, index, degree[index])
        else:
            yield carefully(graph.double(), start[index].double())


def carefully(weights: Tensor, start: Tensor) -> Pair:
    """The pair of one graph ``(N, N)`` in float64."""
    degree = weights.sum(dim=-1)  # (N,)
    if len(weights) >= SMALL:
        ritz = krylov(weights[None], degree[None], start[None])
        if ritz.final():
            return pair(ritz, 0, degree)
    return dense(weights, degree)


def pair(ritz: Ritz, index: int, degree: Tensor) -> Pair:
    """Graph ``index`` of a batch in the terms of the generalised problem; ``degree`` is its own, ``(N,)``."""
    vector = (ritz.vectors[index, 0].double() * degree.double().rsqrt()).cpu()
    second, third = (1 - ritz.values[index].double()).tolist()
    return Pair(vector, (second, third), str(ritz.values.dtype).removeprefix("torch."))


def dense(weights: Tensor, degree: Tensor) -> Pair:
    """By LAPACK, from the whole matrix."""
    root = degree.rsqrt()
    matrix = (weights * root[:, None] * root).cpu().numpy()
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=[len(matrix) - 3, len(matrix) - 2])
    return Pair(torch.from_numpy(vectors[:, 1]) * root.cpu(), (float(1 - values[1]), float(1 - values[0])), "dense")


def krylov(weights: Tensor, degree: Tensor, start: Tensor) -> Ritz:
    """The two largest eigenpairs after the first of M = D^-1/2 W D^-1/2, as far as ``PASSES`` products tell.

    A graph keeps what it had when it was final, whatever others of its batch still need.
    """
    states = expansion(weights, degree, start)
    ritz = next(states)
    while not ritz.final().all() and (more := next(states, None)):
        ritz = more.unless_final(ritz)
    return ritz


def expansion(weights: Tensor, degree: Tensor, start: Tensor) -> Iterator[Ritz]:
    """The state after each product with M: block Lanczos with full reorthogonalisation, ``PASSES`` times.

    The first eigenvector, known from the degrees, is the first of the basis and so deflated.
    """
    (batch, block, count), passes = start.shape, PASSES[weights.dtype]
    root = degree.rsqrt()[:, None]  # (B, 1, N)
    basis = weights.new_empty(batch, 1 + block * passes, count)
    image = torch.empty_like(basis)  # M times the basis
    basis[:, 0] = (degree / degree.sum(dim=-1, keepdim=True)).sqrt()
    new = start
    for size in range(1, basis.shape[1], block):
        end = size + block
        basis[:, size:end] = new = orthogonal(new, basis[:, :size])
        image[:, size:end] = new = torch.bmm(new * root, weights) * root
        yield rayleigh_ritz(basis[:, 1:end], image[:, 1:end])


def orthogonal(vectors: Tensor, basis: Tensor) -> Tensor:
    """Vectors ``(B, b, N)``, made orthonormal to each other and to the basis ``(B, m, N)``."""
    for _ in range(3):  # rounding undoes the first time; the third is for vectors of which the first left only that
        vectors = vectors - vectors @ basis.mT @ basis
        vectors = torch.linalg.qr(vectors.mT).Q.mT
    return vectors


def rayleigh_ritz(basis: Tensor, image: Tensor) -> Ritz:
    """The two best pairs in the span of an orthonormal basis ``(B, m, N)``, from its image under the matrix."""
    small = basis @ image.mT  # (B, m, m)
    values, mixes = torch.linalg.eigh((small + small.mT) / 2)
    values, mixes = values[:, -2:].flip(-1), mixes[..., -2:].flip(-1).mT  # (B, 2), (B, 2, m)
    vectors = mixes @ basis
    residuals = torch.linalg.vector_norm(mixes @ image - values[..., None] * vectors, dim=-1)
    return Ritz(values, vectors, residuals)
