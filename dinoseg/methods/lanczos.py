"""The bottom of the spectrum of graphs, a batch at a time: block Lanczos below a known first eigenvector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

SMALL = 128
"""Graphs of fewer patches are solved densely: there is little to gain."""
PASSES = {torch.float32: 12, torch.float64: 30}
"""Products with the matrix before the next precision, or the dense solver, takes over; about 5 are usual."""
RESIDUAL = {torch.float32: 2e-6, torch.float64: 1e-10}
"""What rounding leaves of |M u - mu u| for a unit vector u, with some room."""
SHARP = 1e-4
"""A vector's error is its residual over the gap to the next eigenvalue; above this share the vector is not known."""
NEXT = 0.25
"""The eigenvalue after those that are asked for need only be known to this share of the gap to it."""
GAP = 1e-6
"""Eigenvalues nearer than this coincide (float32 cosines say no more)."""
LONELY = 1e-12
"""A patch of smaller degree is joined to nothing; it counts as of degree 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The smallest eigenpairs of one graph after the first, of eigenvalue 0, and one eigenvalue more."""

    vectors: Tensor
    """Generalised eigenvectors of (D - W, D), ``(k, N)``, float64 on the CPU, D-normalised."""
    eigenvalues: tuple[float, ...]
    """Theirs, rising, 0..2, and the next: ``k + 1``."""
    solver: str
    """What found them: ``float32`` or ``float64`` (block Lanczos), or ``dense``."""

    @property
    def arbitrary(self) -> bool:
        """Whether all eigenvalues coincide: any vectors would do."""
        return self.eigenvalues[-1] - self.eigenvalues[0] < GAP


@dataclass(frozen=True, slots=True, eq=False)
class Ritz:
    """What a Krylov basis knows of the k + 1 largest eigenpairs of each matrix of a batch."""

    values: Tensor
    """``(B, k + 1)``, falling."""
    vectors: Tensor
    """``(B, k + 1, N)``, of length 1."""
    residuals: Tensor
    """|M u - mu u|, ``(B, k + 1)``."""

    @property
    def gap(self) -> Tensor:
        """Between the last two values, ``(B,)``."""
        return self.values[:, -2] - self.values[:, -1]

    @property
    def residual(self) -> Tensor:
        """The largest of the first k, ``(B,)``."""
        return self.residuals[:, :-1].amax(dim=-1)

    def final(self) -> Tensor:
        """Where more products would not help: all that this precision can tell is told, ``(B,)``."""
        floor = RESIDUAL[self.values.dtype]
        return (self.residual <= floor) & (self.residuals[:, -1] <= (NEXT * self.gap).clamp(min=floor))

    def known(self) -> Tensor:
        """Where the first k vectors are told apart from the next, ``(B,)``."""
        return self.final() & (self.residual <= SHARP * self.gap)

    def unless_final(self, old: Ritz) -> Ritz:
        """The older state where it was final already."""
        done = old.final()
        return Ritz(
            torch.where(done[:, None], old.values, self.values),
            torch.where(done[:, None, None], old.vectors, self.vectors),
            torch.where(done[:, None], old.residuals, self.residuals),
        )


def smallest_pairs(weights: Tensor, start: Tensor, k: int) -> Iterator[Pairs]:
    """The k eigenpairs after the first of each graph of weights of at least 0, ``(B, N, N)``, N at least k + 2.

    ``start``: a few vectors ``(B, b, N)`` near the eigenvectors searched for, b at least k + 1, so that an eigenvalue
    that is there twice is seen. The k vectors are told apart from all others; of two among them with one eigenvalue any
    mixture is right. Solved in the precision of the weights; a graph whose gap that cannot resolve is solved again in
    float64, and densely where Lanczos does not converge. So the pairs of a graph do not depend on its batch.
    """
    degree = weights.sum(dim=-1)  # (B, N)
    ritz = krylov(weights, degree, start, k) if weights.shape[-1] >= SMALL else None
    known = ritz.known().tolist() if ritz else [False] * len(weights)
    for index, graph in enumerate(weights):
        if ritz and known[index]:
            yield pairs(ritz, index, degree[index])
        else:
            yield carefully(graph.double(), start[index].double(), k)


def carefully(weights: Tensor, start: Tensor, k: int) -> Pairs:
    """The pairs of one graph ``(N, N)`` in float64."""
    degree = weights.sum(dim=-1)  # (N,)
    if len(weights) >= SMALL:
        ritz = krylov(weights[None], degree[None], start[None], k)
        if ritz.final():
            return pairs(ritz, 0, degree)
    return dense(weights, degree, k)


def pairs(ritz: Ritz, index: int, degree: Tensor) -> Pairs:
    """Graph ``index`` of a batch in the terms of the generalised problem; ``degree`` is its own, ``(N,)``."""
    vectors = (ritz.vectors[index, :-1].double() * inverse_root(degree.double())).cpu()
    values = (1 - ritz.values[index].double()).tolist()
    return Pairs(vectors, tuple(values), str(ritz.values.dtype).removeprefix("torch."))


def dense(weights: Tensor, degree: Tensor, k: int) -> Pairs:
    """From the whole spectrum, the first eigenvector moved from one end of it to the other.

    The whole, because LAPACK may return nothing for a range of indices that begins amid eigenvalues that coincide.
    """
    root, first = inverse_root(degree), first_vector(degree)
    values, vectors = torch.linalg.eigh(weights * root[:, None] * root - 2 * torch.outer(first, first))
    rising = tuple((1 - values[-k - 1 :].flip(0)).tolist())
    return Pairs((vectors[:, -k:].flip(1).mT * root).cpu(), rising, "dense")


def krylov(weights: Tensor, degree: Tensor, start: Tensor, k: int) -> Ritz:
    """The largest eigenpairs after the first of M = D^-1/2 W D^-1/2, as far as ``PASSES`` products tell.

    A graph keeps what it had when it was final, whatever others of its batch still need.
    """
    states = expansion(weights, degree, start, k)
    ritz = next(states)
    while not ritz.final().all() and (more := next(states, None)):
        ritz = more.unless_final(ritz)
    return ritz


def expansion(weights: Tensor, degree: Tensor, start: Tensor, k: int) -> Iterator[Ritz]:
    """The state after each product with M: block Lanczos with full reorthogonalisation, ``PASSES`` times or until the
    basis is complete.

    The first eigenvector, known from the degrees, is the first of the basis and so deflated.
    """
    batch, block, count = start.shape
    passes = min(PASSES[weights.dtype], (count - 1) // block)
    root = inverse_root(degree)[:, None]  # (B, 1, N)
    basis = weights.new_empty(batch, 1 + block * passes, count)
    image = torch.empty_like(basis)  # M times the basis
    basis[:, 0] = first_vector(degree)
    new = start
    for size in range(1, basis.shape[1], block):
        end = size + block
        basis[:, size:end] = new = orthogonal(new, basis[:, :size])
        image[:, size:end] = new = torch.bmm(new * root, weights) * root
        yield rayleigh_ritz(basis[:, 1:end], image[:, 1:end], k)


def inverse_root(degree: Tensor) -> Tensor:
    """D^-1/2 from degrees ``(..., N)``."""
    return torch.where(degree < LONELY, 1, degree).rsqrt()


def first_vector(degree: Tensor) -> Tensor:
    """The eigenvector of M of eigenvalue 1, ``(..., N)``; zeros where there is no edge at all."""
    return (degree / degree.sum(dim=-1, keepdim=True).clamp(min=LONELY)).sqrt()


def orthogonal(vectors: Tensor, basis: Tensor) -> Tensor:
    """Vectors ``(B, b, N)``, made orthonormal to each other and to the basis ``(B, m, N)``."""
    for _ in range(3):  # rounding undoes the first time; the third is for vectors of which the first left only that
        vectors = vectors - vectors @ basis.mT @ basis
        vectors = torch.linalg.qr(vectors.mT).Q.mT
    return vectors


def rayleigh_ritz(basis: Tensor, image: Tensor, k: int) -> Ritz:
    """The k + 1 best pairs in the span of an orthonormal basis ``(B, m, N)``, from its image under the matrix."""
    small = basis @ image.mT  # (B, m, m)
    values, mixes = torch.linalg.eigh((small + small.mT) / 2)
    best = slice(-k - 1, None)
    values, mixes = values[:, best].flip(-1), mixes[..., best].flip(-1).mT  # (B, k + 1), (B, k + 1, m)
    vectors = mixes @ basis
    residuals = torch.linalg.vector_norm(mixes @ image - values[..., None] * vectors, dim=-1)
    return Ritz(values, vectors, residuals)
