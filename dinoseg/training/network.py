"""Student and teacher: a backbone with its head, as published weights start."""

from __future__ import annotations

import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn

from dinoseg.backbone.vit import Backbone, BackboneSpec
from dinoseg.backbone.weights import build
from dinoseg.options import TrainOptions
from dinoseg.training.head import DINOHead
from dinoseg.training.schedules import ramp

INIT_STD = 0.02


class Network(nn.Module):
    """Backbone and head of one side; parameters are named as in DINO's own checkpoints, with ``vit.`` in between."""

    def __init__(self, backbone: Backbone, head: DINOHead) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, *crops: Tensor) -> Tensor:
        """Views ``(V, B, 3, s, s)``, one tensor per size -> answers ``(all V, B, K)``."""
        return self.head(self.features(*crops)).unflatten(0, (-1, crops[0].shape[1]))

    def features(self, *crops: Tensor) -> Tensor:
        """CLS tokens of the same views, ``(all V * B, d)``; one pass per size."""
        cls = [self.backbone.tokens(views.flatten(0, 1))[:, 0] for views in crops]  # each (V * B, d)
        return torch.cat(cls)


def new_network(options: TrainOptions) -> Network:
    """A network with fresh weights drawn from torch's own generator; its position table is that of a global crop."""
    spec = BackboneSpec(
        name="trained",
        family="dino",
        patch=options.patch,
        width=options.width,
        depth=options.depth,
        heads=options.heads,
        hidden=4 * options.width,
        registers=0,
        positions="offset",
        layer_scale=False,
    )
    positions = 1 + (options.global_size // options.patch) ** 2
    backbone = Backbone(build(spec, {"pos_embed": torch.empty(1, positions, spec.width)}), spec)
    head = DINOHead(spec.width, options.prototypes, norm_last_layer=options.norm_last_layer)
    initialise(backbone)
    initialise(head.mlp)
    return Network(backbone, head)


def initialise(module: nn.Module) -> None:
    """Published start: truncated normal for matrices, CLS and positions; the patch kernel keeps PyTorch's default."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=INIT_STD)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Conv2d):
            part.reset_parameters()
    if isinstance(module, Backbone):
        nn.init.trunc_normal_(module.vit.cls_token, std=INIT_STD)
        nn.init.trunc_normal_(module.vit.pos_embed, std=INIT_STD)


def drop_paths(backbone: Backbone, last: float) -> None:
    """Stochastic depth (Huang et al. 2016) whose rate rises linearly over the blocks from 0 to ``last``."""
    for index, block in enumerate(backbone.vit.blocks):
        rate = ramp(0.0, last, index, backbone.spec.depth)
        block.drop_path1, block.drop_path2 = DropPath(rate), DropPath(rate)
