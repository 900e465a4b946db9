"""Features made by hand: an object whose patches are like each other, and attention that lies on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.backbone.features import FACETS, Features
from dinoseg.backbone.spec import BackboneSpec
from dinoseg.method import Method
from dinoseg.methods import make_method
from dinoseg.methods.head_network import HeadNetwork, save_head
from dinoseg.types import Fit, Photo, Proposals
from tests.helpers import disk_photo

PATCH = 8
CASES = ("one14", "two12x20", "three20", "frame16", "thin18", "net14")
"""Golden features of a few patches."""
NETWORK_METHODS = (
    "attention-cut",
    "attention",
    "tokencut",
    "maskcut",
    "spectral",
    "lost",
    "dino-seg",
    "found",
    "kmeans",
)
"""All that need nothing but a network: not ``head``, which needs a head of that very network."""


def spec_of(heads: int) -> BackboneSpec:
    """A network of so many heads."""
    return BackboneSpec("some", "dino", PATCH, 24, 12, heads, 96, 0, "offset", layer_scale=False)


def save_plain_head(path: Path, spec: BackboneSpec, direction: Tensor) -> None:
    """A head that takes for an object what points in a direction ``(d,)``, by cells of half a patch."""
    network = HeadNetwork(len(direction), hidden=1, cells=2)
    network.linear.weight.data[:] = 4 * direction / direction.norm().clamp(min=1)
    network.linear.bias.data[:] = -1
    save_head(network, path, spec)


def disk(
    grid: tuple[int, int] = (12, 16), centre: tuple[float, float] = (6, 8), radius: float = 3.5
) -> NDArray[np.bool_]:
    """A disk on the patch grid, ``(gh, gw)``."""
    y, x = np.mgrid[: grid[0], : grid[1]] + 0.5
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def features_of(
    objects: NDArray[np.bool_], *, noise: float = 0.3, on: float = 5.0, heads: int = 6, width: int = 24, seed: int = 0
) -> Features:
    """Features of one image in which the patches of ``objects`` point one way, the others another, and every head's
    attention is ``on`` times as high on the objects.
    """
    random = np.random.default_rng(seed)
    directions = random.normal(size=(2, width))
    facet = directions[objects.astype(int)] + noise * random.normal(size=(*objects.shape, width))  # (gh, gw, d)
    look = np.where(objects, on, 1.0) * random.uniform(0.8, 1.2, (heads, *objects.shape))  # (heads, gh, gw)
    return features(look / look.sum(axis=(1, 2), keepdims=True), facet)


def three_disks() -> tuple[list[NDArray[np.bool_]], Features]:
    """Three objects that are unlike each other, and their features; attention is noise."""
    disks = [disk((16, 24), centre, radius) for centre, radius in (((5, 5), 3.5), ((10, 12), 3), ((5, 19), 2.5))]
    kinds = np.zeros((16, 24), int)
    for number, mask in enumerate(disks, 1):
        kinds[mask] = number
    random = np.random.default_rng(0)
    facet = 4 * np.eye(8)[kinds] + random.normal(size=(16, 24, 8)) / 4  # (gh, gw, d)
    return disks, features(random.uniform(size=(4, 16, 24)), facet)


def features(attention: NDArray[np.float64], facet: NDArray[np.float64], family: str = "dino") -> Features:
    """A batch of one: attention ``(heads, gh, gw)``, and ``(gh, gw, d)`` as every facet."""
    tensor = torch.from_numpy(facet).float()[None]
    return Features(torch.from_numpy(attention).float()[None], family, PATCH, dict.fromkeys(FACETS, tensor))


def batch_of(single: Sequence[Features]) -> Features:
    """Batches of one, of one grid, as one batch."""
    facets = {name: torch.cat([one.facets[name] for one in single]) for name in single[0].facets}
    return replace(single[0], attention=torch.cat([one.attention for one in single]), facets=facets)


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


def golden_features(golden: Mapping[str, NDArray[Any]], case: str, family: str = "dino") -> Features:
    """The patches of a golden case, with its CLS attention."""
    height, width = golden[f"{case}/dims"]
    attention = golden[f"{case}/attn_cls_row"][:, 1:].reshape(-1, height, width)
    return features(attention, golden[f"{case}/feats"][1:].reshape(height, width, -1), family)


def golden_box(golden: Mapping[str, NDArray[Any]], case: str, mask: NDArray[np.bool_]) -> list[int]:
    """x0, y0, x1, y1 px of a mask on the grid of a golden case, inside its unpadded image."""
    patch, (height, width) = int(golden[f"{case}/patch"]), golden[f"{case}/image_size"]
    y, x = np.nonzero(mask)
    right, bottom = min((x.max() + 1) * patch, width), min((y.max() + 1) * patch, height)
    return [int(edge) for edge in (x.min() * patch, y.min() * patch, right, bottom)]


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((a & b).sum() / (a | b).sum())
