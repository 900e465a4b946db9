"""``dinov3``: DINOv3 (Siméoni et al. 2025): rotary positions, registers, timm's ``Eva``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dinoseg.backbone.families.family import WeightFile
from dinoseg.backbone.families.vit import ViTFamily
from dinoseg.errors import WeightsMismatch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dinoseg.backbone.spec import BackboneSpec

PERIODS = "rope_embed.periods"
"""Where Meta's program stores the periods of its rotary positions."""
TEMPERATURE = 100
"""Of the rotary positions."""


@dataclass(frozen=True, kw_only=True)
class DinoV3(ViTFamily):
    """Methods work on final tokens, as for DINOv2; no number of it was measured here on real weights."""

    def recognises(self, state: Mapping[str, Tensor]) -> bool:
        """A ViT without a table of positions."""
        return "pos_embed" not in state

    def read(self, state: Mapping[str, Tensor], file: WeightFile) -> tuple[BackboneSpec, dict[str, Tensor]]:
        """See ``Family``; the periods of rotary positions say how many heads there are."""
        tensors = like_eva(state, file.path)
        periods = tensors.pop(PERIODS, None)
        if periods is not None and file.heads is None:
            file = replace(file, heads=heads_by(periods, tensors, file.path))
        return super().read(tensors, file)

    def rule(self, file: WeightFile) -> str:  # noqa: ARG002
        """There is no table to resize."""
        return self.positions

    def build(self, spec: BackboneSpec, state: Mapping[str, Tensor] | None = None) -> nn.Module:
        """See ``Family``: norms have eps 1e-5 here."""
        from timm.models.eva import Eva
        from torch import nn

        state = state or {}
        return Eva(
            img_size=256,
            patch_size=spec.patch,
            embed_dim=spec.width,
            depth=spec.depth,
            num_heads=spec.heads,
            mlp_ratio=(spec.hidden + 0.5) / spec.width,
            swiglu_mlp="blocks.0.mlp.fc1_g.weight" in state,
            swiglu_align_to=8,
            qkv_bias="blocks.0.attn.q_bias" in state,
            init_values=1e-5,
            num_classes=0,
            global_pool="token",
            rope_type="dinov3",
            rope_temperature=TEMPERATURE,
            rope_rotate_half=True,
            use_rot_pos_emb=True,
            use_abs_pos_emb=False,
            num_reg_tokens=spec.registers,
            use_fc_norm=False,
            dynamic_img_size=True,
            norm_layer=partial(nn.LayerNorm, eps=1e-5),
        )


def like_eva(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """A network without a position table as timm's Eva class has it: LayerScale and biases have other names there.

    There is no place for a bias of keys, which their program masks out. Raises ``WeightsMismatch`` where it is not
    zero: rotated with each key's position, it tells keys apart.
    """
    return {name: tensor for key in state for name, tensor in eva_entries(key, state, path)}


def eva_entries(key: str, state: Mapping[str, Tensor], path: Path) -> Iterator[tuple[str, Tensor]]:
    """One tensor of Meta's DINOv3 under the names of timm's Eva."""
    import torch  # only once there is a file

    if key.endswith(".qkv.bias"):
        bias = state[key].where(state.get(f"{key}_mask", torch.ones(())) != 0, 0)
        query, keys, value = bias.chunk(3)
        if keys.any():
            raise WeightsMismatch(f"{path} has biases of keys ({key}), which DINOv3 has not.")
        if query.any() or value.any():
            begin = key.removesuffix("qkv.bias")
            yield from ((f"{begin}q_bias", query), (f"{begin}v_bias", value))
    elif not key.endswith(".bias_mask"):
        yield re.sub(r"\.ls([12])\.gamma$", r".gamma_\1", key), state[key]


def heads_by(periods: Tensor, state: Mapping[str, Tensor], path: Path) -> int:
    """Heads by the periods of rotary positions, ``(c / 4,)`` for heads of c channels.

    timm's class makes its own: raises ``WeightsMismatch`` where they are others.
    """
    import torch

    if not torch.allclose(periods.float(), TEMPERATURE ** (torch.arange(len(periods)) / len(periods)), rtol=0.01):
        raise WeightsMismatch(f"{path} has other periods of rotary positions than DINOv3, which is not supported.")
    return int(state["cls_token"].shape[-1]) // (4 * len(periods)) if "cls_token" in state else 0


DINOV3 = DinoV3(name="dinov3", facet="token", positions="rope")
