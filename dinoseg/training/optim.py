"""What the recipe does around AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from dinoseg.training.schedules import Settings


def parameter_groups(network: nn.Module, rate: Callable[[str], float] = lambda _: 1.0) -> list[dict[str, Any]]:
    """Groups for AdamW: decayed, and (biases and all vectors) not; CLS and positions are decayed, as published.

    ``rate`` gives a parameter's share of the learning rate by its name; each share has a group of either kind.
    """
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((is_plain(name, parameter), rate(name)), []).append(parameter)
    return [
        {"params": params, "decayed": not plain, "rate": share, "weight_decay": 0.0}
        for (plain, share), params in sorted(groups.items(), key=lambda group: group[0])
    ]


def set_rates(optimiser: torch.optim.Optimizer, settings: Settings) -> None:
    """Learning rate and weight decay of one step."""
    for group in optimiser.param_groups:
        group["lr"] = settings.lr * group["rate"]
        group["weight_decay"] = settings.weight_decay if group["decayed"] else 0.0


def is_plain(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is never decayed."""
    return name.endswith(".bias") or parameter.ndim == 1


def clip_each(parameters: Iterable[Tensor], limit: float) -> list[Tensor]:
    """Scale the gradient of every tensor by itself down to norm ``limit``; the norms before that, ``()`` each.

    All tensors at once: one by one, a GPU would wait for Python.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return []
    norms = torch._foreach_norm(gradients)
    shares = torch._foreach_reciprocal(torch._foreach_add(norms, 1e-6))
    torch._foreach_mul_(shares, limit)
    torch._foreach_clamp_max_(shares, 1.0)
    torch._foreach_mul_(gradients, shares)
    return list(norms)


def cancel_last_layer(head: nn.Module) -> None:
    """Drop the gradients of a head's last layer: the optimiser then neither moves nor decays it."""
    for name, parameter in head.named_parameters():
        if name.startswith("last_layer."):
            parameter.grad = None
