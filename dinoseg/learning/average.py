"""The exponential moving average of weights (EMA)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

HIGHEST = 0.999
"""Momentum of an average that follows a frozen teacher's student."""


@torch.no_grad()
def update_average(averages: Iterable[Tensor], weights: Iterable[Tensor], momentum: float) -> None:
    """average <- momentum * average + (1 - momentum) * weight, in place, for tensors in the same order."""
    torch._foreach_lerp_(list(averages), list(weights), 1 - momentum)


def warmed_momentum(steps: int) -> float:
    """Momentum after so many steps, 1 or more: it rises to 0.999, so that an average forgets where it began."""
    return min(HIGHEST, 1 - 1 / (1 + steps / 10))
