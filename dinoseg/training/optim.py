"""What the recipe does around AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Two groups for AdamW: decayed, and (biases and all vectors) not; CLS and positions are decayed, as published."""
    trained = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    plain = [p for name, p in trained if is_plain(name, p)]
    return [{"params": [p for name, p in trained if not is_plain(name, p)]}, {"params": plain, "weight_decay": 0.0}]


def is_plain(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is never decayed."""
    return name.endswith(".bias") or parameter.ndim == 1


def clip_each(parameters: Iterable[Tensor], limit: float) -> list[Tensor]:
    """Scale the gradient of every tensor by itself down to norm ``limit``; the norms before that, ``()`` each."""
    return [clip_grad_norm_(p, limit) for p in parameters if p.grad is not None]


def cancel_last_layer(head: nn.Module) -> None:
    """Drop the gradients of a head's last layer: the optimiser then neither moves nor decays it."""
    for name, parameter in head.named_parameters():
        if name.startswith("last_layer."):
            parameter.grad = None


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Exponential moving average over the parameters: teacher <- momentum * teacher + (1 - momentum) * student."""
    for kept, new in zip(teacher.parameters(), student.parameters(), strict=True):
        kept.lerp_(new, 1 - momentum)
