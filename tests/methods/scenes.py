"""Features made by hand: an object whose patches are like each other, and attention that lies on it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from dinoseg.backbone.vit import FACETS, Features
from dinoseg.methods import make_method
from dinoseg.methods.base import Method
from dinoseg.types import Fit, Photo, Proposals
from tests.helpers import disk_photo

PATCH = 8
NETWORK_METHODS = ("attention-cut", "attention", "tokencut", "kmeans")


def disk(
    grid: tuple[int, int] = (12, 16), centre: tuple[float, float] = (6, 8), radius: float = 3.5
) -> NDArray[np.bool_]:
    """A disk on the patch grid, ``(gh, gw)``."""
    y, x = np.mgrid[: grid[0], : grid[1]] + 0.5
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def features_of(
    objects: NDArray[np.bool_], *, noise: float = 0.3, on: float = 5.0, heads: int = 3, width: int = 24, seed: int = 0
) -> Features:
    """Features of one image in which the patches of ``objects`` point one way, the others another, and every head's
    attention is ``on`` times as high on the objects.
    """
    random = np.random.default_rng(seed)
    directions = random.normal(size=(2, width))
    facet = directions[objects.astype(int)] + noise * random.normal(size=(*objects.shape, width))  # (gh, gw, d)
    look = np.where(objects, on, 1.0) * random.uniform(0.8, 1.2, (heads, *objects.shape))  # (heads, gh, gw)
    return features(look / look.sum(axis=(1, 2), keepdims=True), facet)


def features(attention: NDArray[np.float64], facet: NDArray[np.float64], family: str = "dino") -> Features:
    """A batch of one: attention ``(heads, gh, gw)``, and ``(gh, gw, d)`` as every facet."""
    tensor = torch.from_numpy(facet).float()[None]
    return Features(torch.from_numpy(attention).float()[None], family, PATCH, dict.fromkeys(FACETS, tensor))


def fit_of(grid: tuple[int, int]) -> Fit:
    """A photo that lies on the grid exactly."""
    size = grid[0] * PATCH, grid[1] * PATCH
    return Fit(size, size, grid, PATCH)


def photo_of(grid: tuple[int, int]) -> Photo:
    """Any photo of the grid's size that is not constant."""
    size = grid[0] * PATCH, grid[1] * PATCH
    return Photo("a.jpg", disk_photo(*size)[0], size)


def found(method: Method | str, given: Features, photo: Photo | None = None) -> Proposals:
    """What a method finds in a batch of one."""
    method = make_method(method) if isinstance(method, str) else method
    (proposals,) = method(given, [photo or photo_of(given.grid)], [fit_of(given.grid)])
    return proposals


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((a & b).sum() / (a | b).sum())
