"""The network of ``head`` as it learns, on top of a backbone that stays as it is."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from dinoseg.atomic import atomic_write
from dinoseg.backbone.export import with_sorted_header
from dinoseg.backbone.spec import BackboneSpec
from dinoseg.methods.head_weights import KIND, logits


class HeadNetwork(nn.Module):
    """Patch features ``(..., d)`` -> logits ``(..., cells * cells)``: see ``head_weights.logits``."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, hidden: int, cells: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, cells * cells)
        self.inner = nn.Linear(width, hidden)
        self.outer = nn.Linear(hidden, cells * cells, bias=False)
        for layer in (self.linear, self.outer):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        tensors = dict(self.named_parameters()) | dict(self.named_buffers())
        result: Tensor = logits(features, tensors)
        return result


def save_head(network: HeadNetwork, path: Path, spec: BackboneSpec, **facts: str) -> None:
    """Write a head whole or not at all, with the backbone that it belongs to; ``facts`` join the header."""
    header = {"kind": KIND, "backbone": spec.name, "backbone_sha256": spec.sha256, **facts}
    state = {name: tensor.half().contiguous().cpu() for name, tensor in network.state_dict().items()}
    with atomic_write(path) as file:
        file.write(with_sorted_header(save(state, metadata=header)))
