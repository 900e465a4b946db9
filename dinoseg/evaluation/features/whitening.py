"""Descriptors that tell copies from look-alikes: GeM pooling beside CLS, whitened."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dinoseg.backbone.features import Features

POWER = 4.0
"""p of the generalised mean."""
LEAST = 1e-6
SMALLEST_EIGENVALUE = 1e-5
"""Of the largest: below it, directions are noise."""


def cls_and_gem(images: Tensor, features: Features) -> Tensor:  # noqa: ARG001 (a Describe)
    """CLS beside the generalised mean of patch tokens, ``(B, 2d)`` (Radenović et al. 2019; DINO's copies)."""
    assert features.cls is not None
    patches = features.facets["token"].flatten(1, 2).clamp_min(LEAST)  # (B, N, d)
    return torch.cat([features.cls, patches.pow(POWER).mean(dim=1).pow(1 / POWER)], dim=1)


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """Principal directions of a set of vectors, each divided by its deviation."""

    mean: Tensor
    """``(d,)``"""
    directions: Tensor
    """``(d, dims)``"""

    @classmethod
    def learn(cls, vectors: Tensor, dims: int, power: float = 0.5) -> Whitening:
        """From ``(n, d)``, keeping the ``dims`` largest eigenvalues, each raised to -``power``.

        As in the reference program the covariance is that of the vectors *as they are*, though the mean is taken out
        of whatever is whitened.
        """
        exact = vectors.double()
        values, directions = torch.linalg.eigh(exact.T @ exact / len(exact))  # rising
        values = values.clamp_min(SMALLEST_EIGENVALUE * float(values[-1]))
        scaled = directions * values.pow(-power)
        return cls(exact.mean(dim=0).float(), scaled.flip(1)[:, :dims].float())

    def __call__(self, vectors: Tensor) -> Tensor:
        """``(n, d)`` -> ``(n, dims)``, of length 1."""
        return F.normalize((vectors - self.mean) @ self.directions, dim=1)
