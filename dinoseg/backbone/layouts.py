"""What checkpoints in the wild look like, as tables, and the way from any of them to timm's names.

A checkpoint is a dictionary, perhaps in another, of several networks, perhaps, one of them a Vision Transformer whose
tensors have a common prefix and names of one of a few programs.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dinoseg.errors import WeightsMismatch

log = logging.getLogger(__name__)
CONTAINERS = (
    *("teacher", "model_ema", "state_dict_ema", "ema_state_dict", "ema", "student"),
    *("model", "state_dict", "model_state_dict", "net", "network", "module"),
)
"""Where the tensors may lie, best first: averaged weights are what DINO evaluates."""
AVERAGED = re.compile(r"teacher|momentum|ema\b|_ema|ema_|target|encoder_k")
LEARNING = re.compile(r"student|online|encoder_q")
"""Words in the prefix of one of several networks."""
WRAPPED = re.compile(r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What torch.compile and its like put into names."""
ANCHORS = (
    "patch_embed.proj.weight",
    "embeddings.patch_embeddings.projection.weight",  # transformers, DINO and DINOv2
    "embeddings.patch_embeddings.weight",  # transformers, DINOv3
)
"""Every Vision Transformer has one tensor of these; what stands before it is its prefix."""
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


def tensors_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    """The state dict inside a checkpoint. Raises ``WeightsMismatch`` where there is none."""
    place, found = state_dict_in(loaded)
    if place:
        log.info("%s: a checkpoint; the tensors under %r are used.", path, ".".join(place))
    if not found:
        seen = ", ".join(map(str, list(loaded)[:8])) if isinstance(loaded, Mapping) else type(loaded).__name__
        raise WeightsMismatch(f"{path} holds no state dict (looked for {', '.join(CONTAINERS)}); it holds: {seen}.")
    return found


def state_dict_in(loaded: Any) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """Keys that lead to the best container, however deep, and its tensors; nothing where there are none."""
    if not isinstance(loaded, Mapping):
        return (), {}
    for key in CONTAINERS:
        place, found = state_dict_in(loaded.get(key))
        if found:
            return (key, *place), found
    return (), {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}


def canonical(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """One backbone's tensors under timm's names; heads, the mask token and other networks are left out.

    Raises ``WeightsMismatch`` where there are several that are equally good.
    """
    state = {WRAPPED.sub("", key): tensor for key, tensor in state.items()}
    prefix = best_prefix(state, path)
    result: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = renamed(key.removeprefix(prefix))
        if not key.startswith(prefix) or NOT_BACKBONE.match(name) or (name == "reg_token" and not tensor.numel()):
            continue
        if name in result:
            raise WeightsMismatch(f"{path} holds {name} twice, also as {key}: save the state_dict of one network.")
        result[name] = tensor
    joined = join_projections(result)
    return like_dinov3(joined, path) if "pos_embed" not in joined else with_cls_position(joined)


def best_prefix(state: Mapping[str, Tensor], path: Path) -> str:
    """What stands before the names of the network to take: an averaged one's before others', a student's last."""
    prefixes = sorted(
        {key.removesuffix(anchor) for key in state for anchor in ANCHORS if key.endswith(anchor)}, key=len
    )
    if not prefixes:
        return ""
    ranks = [0 if AVERAGED.search(prefix) else 2 if LEARNING.search(prefix) else 1 for prefix in prefixes]
    best = [prefix for prefix, rank in zip(prefixes, ranks, strict=True) if rank == min(ranks)]
    if any(not same_network(state, best[0], prefix) for prefix in best[1:]):
        raise WeightsMismatch(
            f"{path} holds several networks ({', '.join(best)}): save the state_dict of the one that is meant."
        )
    return best[0]


def same_network(state: Mapping[str, Tensor], first: str, second: str) -> bool:
    """Whether a module stands twice in a state dict, as one that has two names in its program does."""
    one, two = (
        {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
        for prefix in (first, second)
    )
    return one.keys() == two.keys() and all(torch.equal(tensor, two[key]) for key, tensor in one.items())


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


def like_dinov3(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """A network without a position table as timm's Eva class has it: LayerScale and biases have other names there.

    There is no place for a bias of keys, which their program masks out. Raises ``WeightsMismatch`` where it is not
    zero: rotated with each key's position, it tells keys apart.
    """
    return {name: tensor for key in state for name, tensor in eva_entries(key, state, path)}


def eva_entries(key: str, state: Mapping[str, Tensor], path: Path) -> Iterator[tuple[str, Tensor]]:
    """One tensor of Meta's DINOv3 under the names of timm's Eva."""
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
