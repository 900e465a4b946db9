"""The projection head of DINO (Caron et al. 2021, appendix C)."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WeightNormLinear(nn.Module):
    """Linear map without bias whose rows are ``weight_g`` (length) times the direction of ``weight_v``."""

    def __init__(self, inputs: int, outputs: int, *, trainable_norm: bool) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(outputs, 1), requires_grad=trainable_norm)
        self.weight_v = nn.Parameter(nn.Linear(inputs, outputs, bias=False).weight.detach())  # (K, d)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, d)`` -> ``(B, K)``."""
        return F.linear(x, self.weight_g * F.normalize(self.weight_v, dim=1))


class DINOHead(nn.Module):
    """MLP, projection onto the unit sphere, and the cosines to K prototypes.

    ``norm_last_layer`` keeps the prototypes at length 1: the outputs are then cosines, -1..1.
    """

    def __init__(
        self,
        width: int,
        prototypes: int,
        *,
        hidden: int = 2048,
        bottleneck: int = 256,
        layers: int = 3,
        batch_norm: bool = False,
        norm_last_layer: bool = True,
    ) -> None:
        super().__init__()
        sizes = [width, *[hidden] * (layers - 1), bottleneck]
        parts: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes[:-1]):
            parts += [nn.Linear(inputs, outputs), *[nn.BatchNorm1d(outputs)] * batch_norm, nn.GELU()]
        self.mlp = nn.Sequential(*parts, nn.Linear(sizes[-2], bottleneck))
        self.last_layer = WeightNormLinear(bottleneck, prototypes, trainable_norm=not norm_last_layer)

    def forward(self, x: Tensor) -> Tensor:
        """CLS tokens ``(B, d)`` -> ``(B, K)``, float32.

        The last layer is never autocast: the loss divides its outputs by 0.04, which half precision would not bear.
        """
        x = self.mlp(x)
        with torch.autocast(x.device.type, enabled=False):
            return self.last_layer(F.normalize(x.float(), dim=-1))  # (B, K)
