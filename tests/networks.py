"""A small teacher with something to lose."""

import copy

import torch
from torch import nn

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.export import save_backbone
from dinoseg.backbone.families import family_of
from dinoseg.backbone.spec import BackboneSpec


def small_teacher(family: str = "dinov2", hidden: int = 96) -> Backbone:
    """Width 32, depth 2, patch 8; LayerScale signed and partly tiny, as in real files."""
    kinds = {"dinov3": (4, "rope"), "dinov2-registers": (4, "antialias")}
    registers, rule = kinds.get(family, (0, "offset"))
    spec = BackboneSpec("small", family, 8, 32, 2, 2, hidden, registers, rule, family.startswith("dinov2"))
    backbone = family_of(spec.family).new(spec).eval()
    torch.manual_seed(0)  # after it was built: what timm and torch draw differs from version to version
    for name, parameter in backbone.vit.named_parameters():
        if "gamma" in name:
            nn.init.normal_(parameter, std=0.5)
            parameter.data[0] = 2e-4
        elif parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.3)
        elif name.endswith("bias"):  # that of the convolution was drawn
            nn.init.zeros_(parameter)
    return backbone.requires_grad_(False)


def save_teacher(path, **kwargs) -> None:
    save_backbone(small_teacher(**kwargs), path, store="float32")


def damaged(teacher: Backbone) -> Backbone:
    """A copy whose MLPs are wrong."""
    student = copy.deepcopy(teacher)
    torch.manual_seed(5)
    for block in student.vit.blocks:
        block.mlp.fc2.weight.add_(0.3 * torch.randn_like(block.mlp.fc2.weight))
    return student
