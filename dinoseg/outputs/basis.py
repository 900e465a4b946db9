"""Three principal components of many patches, whose memory does not grow with their number."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPREAD = 2.0
"""Standard deviations to each side that the range of a colour holds."""


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """Three directions in the space of features ``(d,)``, and how far patches lie along them."""

    mean: NDArray[np.float64]
    """``(d,)``."""
    components: NDArray[np.float64]
    """``(3, d)``, each of length 1, its entry of largest size positive; zeros where there are fewer."""
    std: NDArray[np.float64]
    """``(3,)``, falling."""

    def colours(self, patches: NDArray[np.float64]) -> NDArray[np.float64]:
        """Patches ``(..., d)`` as red, green and blue in 0..1, ``(..., 3)``; the mean is grey."""
        along = (patches - self.mean) @ self.components.T  # (..., 3)
        return np.clip(0.5 + along / np.maximum(2 * SPREAD * self.std, np.finfo(np.float64).tiny), 0, 1)

    def content(self) -> bytes:
        """The three arrays as ``numpy.load`` reads them."""
        buffer = io.BytesIO()
        np.savez(buffer, mean=self.mean, components=self.components, std=self.std)
        return buffer.getvalue()


class Moments:
    """Number, mean and covariance of vectors that come in parts (Chan et al. 1983)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: NDArray[np.float64] = np.zeros(0)
        self.scatter: NDArray[np.float64] = np.zeros((0, 0))

    def add(self, vectors: NDArray[np.float64]) -> None:
        """Take in vectors ``(n, d)``."""
        if not len(vectors):
            return
        mean = vectors.mean(axis=0)
        centred = vectors - mean
        if not self.count:
            self.mean, self.scatter = np.zeros_like(mean), np.zeros((len(mean), len(mean)))
        total = self.count + len(vectors)
        apart = mean - self.mean
        self.scatter += centred.T @ centred + np.outer(apart, apart) * self.count * len(vectors) / total
        self.mean = self.mean + apart * len(vectors) / total
        self.count = total

    def basis(self) -> Basis:
        """The first three principal components; without vectors a basis of nothing, ``d = 0``."""
        values, vectors = np.linalg.eigh(self.scatter / max(self.count, 1))
        std, components = np.zeros(3), np.zeros((3, len(self.mean)))
        for number in range(min(3, len(values))):
            direction = vectors[:, -1 - number]
            components[number] = direction * np.sign(direction[np.abs(direction).argmax()])
            std[number] = np.sqrt(max(values[-1 - number], 0))
        return Basis(self.mean, components, std)
