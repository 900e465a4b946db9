"""k-means (Lloyd 1982) with k-means++ starts (Arthur and Vassilvitskii 2007), all starts at once, on any device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

STARTS = 10
"""Of these, the one of the smallest sum of squares is kept."""
ROUNDS = 100
"""At most; most images need about 15."""


def distances(points: Tensor, clusters: int) -> Tensor:
    """Distance of every point ``(N, d)`` to every centre, ``(N, k)``; the same every time.

    Fewer centres than asked for where there are fewer different points.
    """
    found = lloyd(points, starts(points, clusters))  # (STARTS, N, clusters)
    best = found[found.amin(dim=-1).sum(dim=-1).argmin()]
    return best[:, best.argmin(dim=-1).unique()].sqrt()


def starts(points: Tensor, clusters: int) -> Tensor:
    """Points to start from, ``(STARTS, clusters, d)``: each drawn by its squared distance to those before it."""
    draws = torch.rand(clusters, STARTS, 1, generator=torch.Generator().manual_seed(0)).to(points)
    left = points.new_ones(STARTS, len(points))
    chosen: list[Tensor] = []
    for draw in draws:
        ladder = left.cumsum(dim=-1)
        index = torch.searchsorted(ladder, draw * ladder[:, -1:]).clamp(max=len(points) - 1)  # (STARTS, 1)
        chosen.append(points[index])
        apart = squared(points, chosen[-1])[..., 0]
        left = torch.minimum(left, apart) if len(chosen) > 1 else apart
    return torch.cat(chosen, dim=1)


def lloyd(points: Tensor, centres: Tensor) -> Tensor:
    """Squared distances ``(s, N, k)`` to the centres ``(s, k, d)`` once no point changes its centre any more."""
    labels: Tensor | None = None
    for _ in range(ROUNDS):
        apart = squared(points, centres)
        before, labels = labels, apart.argmin(dim=-1)  # (s, N)
        if before is not None and torch.equal(before, labels):
            break
        members = F.one_hot(labels, centres.shape[1]).to(points.dtype).mT  # (s, k, N)
        count = members.sum(dim=-1, keepdim=True)
        centres = torch.where(count > 0, members @ points / count.clamp(min=1), centres)
    return apart


def squared(points: Tensor, centres: Tensor) -> Tensor:
    """Squared distances of points ``(N, d)`` to centres ``(s, k, d)``, ``(s, N, k)``."""
    lengths = points.square().sum(dim=-1)[:, None] + centres.square().sum(dim=-1)[:, None]  # (s, N, k)
    return (lengths - 2 * points @ centres.mT).clamp(min=0)
