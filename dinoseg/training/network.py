"""Student and teacher: a backbone with its head."""

from __future__ import annotations

import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.vit import VisionTransformer
from dinoseg.learning.curves import ramp
from dinoseg.options import TrainOptions
from dinoseg.training.head import DINOHead
from dinoseg.training.start import initialise, starting_backbone


class Network(nn.Module):
    """Backbone and head of one side; parameters are named as in DINO's own checkpoints, with ``vit.`` in between."""

    def __init__(self, backbone: Backbone, head: DINOHead) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, *crops: Tensor) -> Tensor:
        """Views ``(V, B, 3, s, s)``, one tensor per size -> answers ``(all V, B, K)``."""
        return self.head(self.features(*crops)).unflatten(0, (-1, crops[0].shape[1]))

    def features(self, *crops: Tensor) -> Tensor:
        """The embeddings of the same views, ``(all V * B, d)``; one pass per size."""
        return torch.cat([self.backbone.embedding(views.flatten(0, 1)) for views in crops])  # each (V * B, d)


def new_network(options: TrainOptions) -> Network:
    """A backbone at its start with a fresh head; what is random is drawn from torch's own generator."""
    backbone = starting_backbone(options)
    head = DINOHead(backbone.spec.width, options.prototypes, norm_last_layer=options.norm_last_layer)
    initialise(head.mlp)
    return Network(backbone, head)


def drop_paths(backbone: Backbone, last: float) -> None:
    """Stochastic depth (Huang et al. 2016) whose rate rises linearly over the blocks of a ViT from 0 to ``last``.

    The published recipe has none for convolutional networks.
    """
    if not isinstance(backbone, VisionTransformer):
        return
    for index, block in enumerate(backbone.network.blocks):
        rate = ramp(0.0, last, index, backbone.spec.depth)
        block.drop_path1, block.drop_path2 = DropPath(rate), DropPath(rate)
