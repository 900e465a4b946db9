"""The normalised cut of patch graphs (Shi and Malik 2000; TokenCut: Wang et al. 2022), a batch at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.methods.lanczos import Pairs, smallest_pairs
from dinoseg.methods.likeness import graphs_at_once

EPS = 1e-5
"""Weight between patches that are not alike: it keeps the graph connected."""
TIE = 1e-6
"""Patches with equal rows have equal entries up to rounding: within this share of the largest they count as equal."""
PANEL = 256
"""Rows of a graph that are made at once, small enough to stay in the cache while they are thresholded."""
SPARE = 3
"""Vectors that a search starts with beyond those that it is for."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """The best way to cut a graph in two."""

    vector: NDArray[np.float64]
    """Second smallest generalised eigenvector of (D - A, D), ``(N,)``, D-normalised, positive at ``seed``."""
    eigenvalues: tuple[float, float]
    """Second and third smallest, 0..2; the first is 0."""
    seed: int
    """The first patch of largest absolute entry."""


def normalised_cuts(features: Tensor, tau: float, *, weighted: bool = False) -> list[Cut | None]:
    """The cut of the graph of each image, from features ``(B, N, d)`` on any device, in their precision.

    None where it is arbitrary: with fewer than three patches, and where the second and third eigenvalue coincide, as
    they do with all pairs (or none) alike. An image's cut does not depend on its batch, on a GPU but for rounding.
    """
    batch, count, _ = features.shape
    if count < 3:
        return [None] * batch
    rows = F.normalize(solvable(features), dim=-1)
    parts = rows.split(graphs_at_once(rows.device, count))
    return [
        cut_of(pairs) for part in parts for pairs in smallest_pairs(affinity(part, tau, weighted), start_of(part, 1), 1)
    ]


def solvable(features: Tensor) -> Tensor:
    """Features where their graphs can be solved: MPS has neither float64 nor all solvers, so from there on the CPU."""
    return features.cpu() if features.device.type == "mps" else features


def affinity(rows: Tensor, tau: float, weighted: bool) -> Tensor:
    """Who is like whom, ``(B, N, N)``, from features ``(B, N, d)`` of length 1 (or 0).

    1 where the cosine is above ``tau``, else ``EPS`` (a feature of zeros is not even like itself). ``weighted``: the
    cosine itself where it is at least ``tau``.
    """
    least = max(tau, EPS)

    def edges(cosine: Tensor) -> Tensor:
        return cosine.masked_fill_(cosine < least, EPS) if weighted else cosine.gt_(tau).clamp_(min=EPS)

    return graph(rows, edges)


def graph(rows: Tensor, edges: Callable[[Tensor], Tensor]) -> Tensor:
    """Weights ``(B, N, N)``, from features ``(B, N, d)`` of length 1 (or 0): what ``edges`` makes of their cosines."""
    batch, count, _ = rows.shape
    weights = rows.new_empty(batch, count, count)
    for top in range(0, count, PANEL):  # the upper triangle; the lower is its mirror image
        end = top + PANEL
        panel = edges(rows[:, top:end] @ rows[:, top:].mT)  # (B, PANEL, N - top)
        weights[:, top:end, top:] = panel
        square = panel[..., :PANEL]  # on the diagonal: products of two rows may differ by rounding with their order
        weights[:, top:end, top:end] = square.triu() + square.triu(1).mT
        weights[:, end:, top:end] = panel[..., PANEL:].mT
    return weights


def start_of(rows: Tensor, k: int) -> Tensor:
    """Random vectors ``(B, k + SPARE, N)``, the same for every image, turned towards the principal components of the
    features ``(B, N, d)``.

    These are near the first k eigenvectors, so that fewer products with the graph are needed.
    """
    random = torch.randn(k + SPARE, rows.shape[1], generator=torch.Generator().manual_seed(0)).to(rows)
    centred = rows - rows.mean(dim=1, keepdim=True)
    vectors = random.expand(len(rows), -1, -1)
    for _ in range(3):
        vectors = vectors + vectors @ centred @ centred.mT
    return vectors


def cut_of(pairs: Pairs) -> Cut | None:
    """The cut by the first eigenvector, or None where it is not the only one of its eigenvalue."""
    if pairs.arbitrary:
        return None
    second, third = pairs.eigenvalues
    vector = pairs.vectors[0].numpy()
    seed = int((abs(vector) >= (1 - TIE) * abs(vector).max()).argmax())
    return Cut(vector * np.sign(vector[seed]), (second, third), seed)
