"""What the families of Vision Transformers share: names of tensors, shapes, timm's class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dinoseg.backbone.families.family import Family, WeightFile
from dinoseg.errors import WeightsMismatch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dinoseg.backbone.base import Backbone
    from dinoseg.backbone.spec import BackboneSpec

ANCHORS = (
    "patch_embed.proj.weight",
    "embeddings.patch_embeddings.projection.weight",  # transformers, DINO and DINOv2
    "embeddings.patch_embeddings.weight",  # transformers, DINOv3
)
"""Every Vision Transformer has one tensor of these; what stands before it is its prefix."""
NEEDED = ("cls_token", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "blocks.0.mlp.fc2.weight")


@dataclass(frozen=True, kw_only=True)
class ViTFamily(Family):
    """A family whose networks are timm's ``VisionTransformer`` with a table of positions, unless it says otherwise."""

    positions: str = "offset"
    """How its table is resized: see ``backbone.vit.resize_positions``."""

    def holds(self, state: Mapping[str, Tensor], file: WeightFile) -> bool:  # noqa: ARG002
        """See ``Family``."""
        return any(key.endswith(ANCHORS) for key in state)

    def translate(self, state: Mapping[str, Tensor], file: WeightFile) -> dict[str, Tensor]:
        """See ``Family``."""
        from dinoseg.backbone.vit_names import translated  # torch: only once there is a file

        return translated(state, file.path, ANCHORS)

    def read(self, state: Mapping[str, Tensor], file: WeightFile) -> tuple[BackboneSpec, dict[str, Tensor]]:
        """See ``Family``."""
        from dinoseg.backbone.spec import BackboneSpec

        absent = [key for key in NEEDED if key not in state]
        if absent:
            gated = "blocks.0.mlp.w12.weight" in state
            hint = (
                "it has DINOv2's gated MLP (giant), which is not supported"
                if gated
                else "is it a ViT of the DINO family?"
            )
            raise WeightsMismatch(
                f"{file.path} has no {', '.join(absent)}: {hint} Keys seen: {', '.join(sorted(state)[:5])} ..."
            )
        width = state["cls_token"].shape[-1]
        return (
            BackboneSpec(
                name=file.name,
                family=self.name,
                patch=state["patch_embed.proj.weight"].shape[-1],
                width=width,
                depth=1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks.")),
                heads=heads_of(width, file),
                hidden=state["blocks.0.mlp.fc2.weight"].shape[1],
                registers=state["reg_token"].shape[1] if "reg_token" in state else 0,
                positions=self.rule(file),
                layer_scale="blocks.0.ls1.gamma" in state,
                sha256=file.sha256,
            ),
            dict(state),
        )

    def rule(self, file: WeightFile) -> str:
        """How the position table of a file is resized: as the user asks, as the file says, or as the family does."""
        return "antialias" if file.positions == "timm" else file.metadata.get("positions", self.positions)

    def build(self, spec: BackboneSpec, state: Mapping[str, Tensor] | None = None) -> nn.Module:
        """See ``Family``."""
        import torch
        from timm.models.vision_transformer import VisionTransformer
        from torch import nn

        table = (state or {}).get("pos_embed")
        entries = (224 // spec.patch) ** 2 if table is None else table.shape[1] - 1
        vit = VisionTransformer(
            img_size=math.isqrt(entries) * spec.patch,
            patch_size=spec.patch,
            embed_dim=spec.width,
            depth=spec.depth,
            num_heads=spec.heads,
            mlp_ratio=(spec.hidden + 0.5) / spec.width,
            init_values=1e-5 if spec.layer_scale else None,
            num_classes=0,
            global_pool="",
            dynamic_img_size=True,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
        )
        if spec.registers:
            # Positions stay those of CLS and patches only, as in the official files: registers carry none.
            vit.reg_token = nn.Parameter(torch.zeros(1, spec.registers, spec.width))
        return vit

    def wrap(self, network: nn.Module, spec: BackboneSpec) -> Backbone:
        """See ``Family``."""
        from dinoseg.backbone.vit import VisionTransformer

        return VisionTransformer(network, spec)

    def header(self, spec: BackboneSpec) -> dict[str, str]:
        """See ``Family``."""
        return {"num_heads": str(spec.heads), "patch_size": str(spec.patch), "positions": spec.positions}

    def shape(self, spec: BackboneSpec) -> str:
        """See ``Family``."""
        return f"a ViT of width {spec.width}, depth {spec.depth}"


def heads_of(width: int, file: WeightFile) -> int:
    """Attention heads: as asked, as the file or the json beside it says, or width / 64. Raises ``WeightsMismatch``."""
    said = file.metadata.get("num_heads") or str(file.config.get("num_attention_heads", 0))
    heads = file.heads or (int(said) if said.isdecimal() else 0) or (width // 64 if width % 64 == 0 else 0)
    if not heads or width % heads:
        raise WeightsMismatch(
            f"{file.path} has width {width} and does not say how many attention heads: pass --heads N"
            f"{f' ({heads} does not divide {width})' if heads else ''}."
        )
    return heads
