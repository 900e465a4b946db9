"""From the tensor names of any program that has DINO's Vision Transformers to timm's."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from dinoseg.backbone.layouts import best_prefix
from dinoseg.errors import WeightsMismatch

NOT_BACKBONE = re.compile(r"(head|dino_head|ibot_head|fc_norm|local_cls_norm|mask_token|pooler)(\.|$)")
RENAMED = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),  # chunks of blocks, as DINOv2 trains
        (r"^(register|storage)_tokens$", "reg_token"),
        (r"^embeddings\.position_embeddings$", "pos_embed"),
        (r"^embeddings\.register_tokens$", "reg_token"),
        (r"^embeddings\.(cls_token|mask_token)$", r"\1"),
        (r"^embeddings\.patch_embeddings\.(projection\.)?(weight|bias)$", r"patch_embed.proj.\2"),
        (r"^(model\.|encoder\.)?layers?\.(\d+)\.", r"blocks.\2."),
        (r"^layernorm\.", "norm."),
        (r"\.layernorm_before\.", ".norm1."),
        (r"\.layernorm_after\.", ".norm2."),
        (r"\.intermediate\.dense\.", ".mlp.fc1."),
        (r"(?<=\d)\.output\.dense\.", ".mlp.fc2."),
        (r"\.attention\.attention\.(query|key|value)\.", r".attn.\1."),
        (r"\.attention\.q_proj\.", ".attn.query."),
        (r"\.attention\.k_proj\.", ".attn.key."),
        (r"\.attention\.v_proj\.", ".attn.value."),
        (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
        (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
        (r"\.mlp\.(gate_proj|w1)\.", ".mlp.fc1_g."),
        (r"\.mlp\.w2\.", ".mlp.fc1_x."),
        (r"\.mlp\.(down_proj|w3)\.", ".mlp.fc2."),
    )
)
"""Names of Meta's and Hugging Face's programs -> timm's."""
PARTS = ("query", "key", "value")


def translated(state: Mapping[str, Tensor], path: Path, anchors: Collection[str]) -> dict[str, Tensor]:
    """One backbone's tensors under timm's names; heads, the mask token and other networks are left out.

    Raises ``WeightsMismatch`` where there are several that are equally good.
    """
    prefix = best_prefix(state, anchors, path)
    result: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = renamed(key.removeprefix(prefix))
        if not key.startswith(prefix) or NOT_BACKBONE.match(name) or (name == "reg_token" and not tensor.numel()):
            continue
        if name in result:
            raise WeightsMismatch(f"{path} holds {name} twice, also as {key}: save the state_dict of one network.")
        result[name] = tensor
    joined = join_projections(result)
    return with_cls_position(joined) if "pos_embed" in joined else joined


def renamed(name: str) -> str:
    """timm's name of a tensor."""
    for pattern, new in RENAMED:
        name = pattern.sub(new, name)
    return name


def join_projections(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Queries, keys and values in one matrix, with a bias of zeros for a part that has none."""
    result = dict(state)
    for name in [name for name in state if name.endswith(".attn.query.weight")]:
        begin = name.removesuffix("query.weight")
        matrices = [result.pop(f"{begin}{part}.weight") for part in PARTS if f"{begin}{part}.weight" in result]
        result[f"{begin}qkv.weight"] = torch.cat(matrices)
        biases = [result.pop(f"{begin}{part}.bias", None) for part in PARTS]
        if any(bias is not None for bias in biases):
            zeros = matrices[0].new_zeros(len(matrices[0]))
            result[f"{begin}qkv.bias"] = torch.cat([zeros if bias is None else bias for bias in biases])
    if "blocks.0.mlp.fc1_g.weight" in result:  # gated: what transformers calls up_proj is the ungated half
        return {name.replace(".mlp.up_proj.", ".mlp.fc1_x."): tensor for name, tensor in result.items()}
    return {name.replace(".mlp.up_proj.", ".mlp.fc1."): tensor for name, tensor in result.items()}


def with_cls_position(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give back the CLS position, zeros, that timm's converter folds into the CLS token of register models."""
    table = state["pos_embed"]
    if math.isqrt(table.shape[1]) ** 2 == table.shape[1]:
        state["pos_embed"] = torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)
    return state
