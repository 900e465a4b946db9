"""Which patches of two frames are alike, and maps that are carried along these links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RADIUS = 3
"""Patches up, down and sideways in which a patch's like is sought."""
NEIGHBOURS = 2
"""Patches of a frame that each is linked to."""
TEMPERATURE = 0.1
"""Of exp(cosine / temperature), the weight of a link: as in DINO's video evaluation (Caron et al. 2021)."""


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """From each of the N patches of one frame to its like in another."""

    places: NDArray[np.intp]
    """``(N, k)`` indices in reading order."""
    weights: NDArray[np.float32]
    """``(N, k)``, of sum 1."""
    likeness: float
    """Mean cosine of a patch and the one most like it."""


def link(tokens: NDArray[np.float32], other: NDArray[np.float32]) -> Link:
    """Link each patch of ``tokens`` ``(gh, gw, d)``, of unit length, to the most alike of ``other`` nearby."""
    height, width, _ = tokens.shape
    radius = min(RADIUS, max(height, width) - 1)
    shifts = [(y, x) for y in range(-radius, radius + 1) for x in range(-radius, radius + 1)]
    cosine = np.full((len(shifts), height, width), -np.inf, np.float32)
    for number, (y, x) in enumerate(shifts):
        here, there = overlap(height, width, y, x), overlap(height, width, -y, -x)
        if all(part.start < part.stop for part in here):
            cosine[(number, *here)] = np.einsum("ijd,ijd->ij", tokens[here], other[there])
    flat = cosine.reshape(len(shifts), -1).T  # (N, shifts)
    kept = min(NEIGHBOURS, len(shifts))
    best = np.argpartition(-flat, kept - 1, axis=1)[:, :kept]  # (N, k)
    values = np.take_along_axis(flat, best, axis=1)
    top = values.max(axis=1, keepdims=True)
    weights = np.exp((values - top) / TEMPERATURE)
    steps = np.array([y * width + x for y, x in shifts])
    places = np.clip(np.arange(height * width)[:, None] + steps[best], 0, height * width - 1)  # weight 0 where clipped
    return Link(places, weights / weights.sum(axis=1, keepdims=True), float(top.mean()))


def overlap(height: int, width: int, y: int, x: int) -> tuple[slice, slice]:
    """The patches of a frame that have another at ``(y, x)`` from them."""
    return slice(max(0, -y), min(height, height - y)), slice(max(0, -x), min(width, width - x))


def carry(link: Link, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maps ``(N, C)`` of the other frame, on this one."""
    return np.asarray(np.einsum("nk,nkc->nc", link.weights, maps[link.places]), np.float32)


def diffuse(
    maps: NDArray[np.float32], links: Sequence[Mapping[int, Link]], own: float, rounds: int
) -> NDArray[np.float32]:
    """Maps ``(F, N, C)`` of successive frames, made alike where their patches are.

    ``links``: of each frame, by the position of the other. Each round is m = own m0 + (1 - own) mean over links of
    W m, the random walk with restart of label propagation (Zhou et al. 2003, "Learning with local and global
    consistency").
    """
    frames, patches, _ = maps.shape
    width = max((sum(one.places.shape[1] for one in each.values()) for each in links), default=0)
    if not width:
        return maps
    places = np.zeros((frames, patches, width), np.intp)
    weights = np.zeros((frames, patches, width), np.float32)
    for frame, each in enumerate(links):
        start = 0
        for other, one in each.items():
            stop = start + one.places.shape[1]
            places[frame, :, start:stop] = one.places + other * patches
            weights[frame, :, start:stop] = one.weights / len(each)
            start = stop
    alone = np.array([not each for each in links])
    result = maps
    for _ in range(rounds):
        known = result.reshape(frames * patches, -1)
        spread = np.einsum("fnk,fnkc->fnc", weights, known[places])
        result = np.where(alone[:, None, None], maps, own * maps + (1 - own) * spread).astype(np.float32)
    return result
