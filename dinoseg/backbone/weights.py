"""Weight files: read them without running code, and say what network they describe."""

from __future__ import annotations

import argparse
import hashlib
import logging
import math
import pickle
import re
import zipfile
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from dinoseg.backbone.vit import Backbone, BackboneSpec
from dinoseg.errors import CorruptWeights, UnsafeWeights, WeightsMismatch, WeightsNotFound
from dinoseg.files import open_regular

log = logging.getLogger(__name__)
WRAPPERS = ("teacher", "student", "model", "state_dict", "model_state_dict")
PREFIXES = ("module.", "backbone.", "vit.")
NOT_BACKBONE = re.compile(r"(head|dino_head|ibot_head|fc_norm|mask_token)(\.|$)")


def load_file(path: Path, *, name: str = "", heads: int | None = None, positions: str | None = None) -> Backbone:
    """A ``Backbone`` in eval mode on the CPU, float32, from a ``.safetensors`` or ``.pth`` file.

    Width, depth, patch, MLP width and registers are read from the tensors; heads from ``heads``, else the file's
    metadata, else width / 64. ``positions="timm"`` resizes the position table as timm does. Raises ``WeightsError``.
    """
    state, metadata = read_state(path)
    state = dequantise(canonical(state, path))
    spec = describe(state, metadata, path, name=name or path.stem, heads=heads, positions=positions)
    return assemble(spec, state, path)


def assemble(spec: BackboneSpec, state: Mapping[str, Tensor], path: Path) -> Backbone:
    """Build the network that ``spec`` describes and load ``state`` strictly."""
    vit = build(spec, state)
    expected = vit.state_dict()
    wrong = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    missing, extra = sorted(set(expected) - set(state)), sorted(set(state) - set(expected))
    if wrong or missing or extra:
        parts = [("wrong shape", wrong), ("missing", missing), ("unexpected", extra)]
        told = "; ".join(f"{len(keys)} {what}: {', '.join(keys[:5])}" for what, keys in parts if keys)
        raise WeightsMismatch(f"{path} does not fit a ViT of width {spec.width}, depth {spec.depth}: {told}.")
    vit.load_state_dict({key: value.float() for key, value in state.items()}, strict=True)
    return Backbone(vit, spec).eval().requires_grad_(False)


def build(spec: BackboneSpec, state: Mapping[str, Tensor] | None = None) -> Any:
    """timm's network for a spec with fresh weights; ``state`` tells details that the spec leaves open."""
    state = state or {}
    if spec.family == "dinov3":
        return build_dinov3(spec, state)
    from timm.models.vision_transformer import VisionTransformer

    entries = state["pos_embed"].shape[1] - 1 if "pos_embed" in state else (224 // spec.patch) ** 2
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


def build_dinov3(spec: BackboneSpec, state: Mapping[str, Tensor]) -> nn.Module:
    """timm's Eva class as DINOv3 uses it: RoPE, registers, no table, norms with eps 1e-5."""
    from timm.models.eva import Eva

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
        rope_temperature=100,
        rope_rotate_half=True,
        use_rot_pos_emb=True,
        use_abs_pos_emb=False,
        num_reg_tokens=spec.registers,
        use_fc_norm=False,
        dynamic_img_size=True,
        norm_layer=partial(nn.LayerNorm, eps=1e-5),
    )


def describe(
    state: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    path: Path,
    *,
    name: str,
    heads: int | None,
    positions: str | None,
) -> BackboneSpec:
    """Read the network's shape off its tensors. Raises ``WeightsMismatch`` for what is no such network."""
    needed = ("cls_token", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "blocks.0.mlp.fc2.weight")
    absent = [key for key in needed if key not in state]
    if absent:
        gated = "blocks.0.mlp.w12.weight" in state
        hint = (
            "it has DINOv2's gated MLP (giant), which is not supported" if gated else "is it a ViT of the DINO family?"
        )
        raise WeightsMismatch(
            f"{path} has no {', '.join(absent)}: {hint} Keys seen: {', '.join(sorted(state)[:5])} ..."
        )
    width = state["cls_token"].shape[-1]
    registers = state["reg_token"].shape[1] if "reg_token" in state else 0
    layer_scale = "blocks.0.ls1.gamma" in state
    rope = "pos_embed" not in state
    family = "dinov3" if rope else "dinov2-registers" if registers else "dinov2" if layer_scale else "dino"
    rule = metadata.get("positions", "antialias" if registers else "offset")
    return BackboneSpec(
        name=name,
        family=metadata.get("family", family),
        patch=state["patch_embed.proj.weight"].shape[-1],
        width=width,
        depth=1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks.")),
        heads=count_heads(width, heads, metadata, path),
        hidden=state["blocks.0.mlp.fc2.weight"].shape[1],
        registers=registers,
        positions="rope" if rope else "antialias" if positions == "timm" else rule,
        layer_scale=layer_scale,
        sha256=sha256(path),
    )


def count_heads(width: int, asked: int | None, metadata: Mapping[str, str], path: Path) -> int:
    """Attention heads: as asked, as the file says, or width / 64. Raises ``WeightsMismatch``."""
    told = asked or int(metadata.get("num_heads", 0)) or (width // 64 if width % 64 == 0 else 0)
    if not told or width % told:
        raise WeightsMismatch(
            f"{path} has width {width} and does not say how many attention heads: pass --heads N"
            f"{f' ({told} does not divide {width})' if told else ''}."
        )
    return told


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file, as stored. Never runs code. Raises ``WeightsError``."""
    try:
        with open_regular(path) as file:
            head = file.read(512)
    except OSError as error:
        told = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be opened ({error.strerror})"
        raise WeightsNotFound(f"{path} {told}. `dinoseg models` lists what can be loaded by name.") from error
    if head.lstrip()[:1] == b"<":
        raise CorruptWeights(f"{path} is a web page, not weights: download the file itself.")
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        return read_safetensors(path)
    loaded = read_pickle(path)
    metadata = loaded.pop("dinoseg_metadata", {}) if isinstance(loaded, dict) else {}
    return tensors_of(loaded, path), {str(key): str(value) for key, value in metadata.items()}


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """See ``read_state``."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptWeights(f"{path} is not a whole safetensors file ({error}): fetch it again.") from error


def read_pickle(path: Path) -> Any:
    """``torch.load`` with ``weights_only``; argparse.Namespace, which official training files hold, is allowed."""
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        text = str(error)
        named = re.search(r"GLOBAL ([\w.]+)", text)
        if named or "Unsupported" in text:
            what = named.group(1) if named else "code"
            raise UnsafeWeights(
                f"{path} wants to run {what} while loading and was not loaded. Ask its maker for .safetensors, or "
                "save its state_dict alone."
            ) from error
        raise CorruptWeights(f"{path} is not a PyTorch weight file ({text.splitlines()[0]}).") from error
    except (RuntimeError, EOFError, OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise CorruptWeights(f"{path} cannot be read ({error}): it may be half a download, fetch it again.") from error


def tensors_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    """The state dict inside a checkpoint, the teacher's before the student's."""
    for key in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            log.info("%s: a checkpoint; the tensors under %r are used.", path, key)
            return {name: value for name, value in loaded[key].items() if isinstance(value, Tensor)}
    tensors = {k: v for k, v in loaded.items() if isinstance(v, Tensor)} if isinstance(loaded, Mapping) else {}
    if not tensors:
        seen = ", ".join(map(str, list(loaded)[:8])) if isinstance(loaded, Mapping) else type(loaded).__name__
        raise WeightsMismatch(f"{path} holds no state dict (looked for {', '.join(WRAPPERS)}); it holds: {seen}.")
    return tensors


def canonical(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """timm's names for the backbone's tensors; leading wrappers stripped, heads and the mask token left out."""
    if any(key.startswith("storage_tokens") for key in state):
        raise WeightsMismatch(
            f"{path} is DINOv3 in Meta's own layout: use its timm conversion (`--model dinov3-small`)."
        )
    result = {}
    for key, tensor in state.items():
        name = key
        while name.startswith(PREFIXES):
            name = name.split(".", 1)[1]
        if not NOT_BACKBONE.match(name):
            result["reg_token" if name == "register_tokens" else name] = tensor
    table = result.get("pos_embed")
    if table is not None and math.isqrt(table.shape[1]) ** 2 == table.shape[1]:
        # timm's converter folds the CLS position of register models into the CLS token: give it back as zeros.
        result["pos_embed"] = torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)
    return result


def dequantise(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """int8 matrices with their float16 ``NAME.scale`` per output row -> float32."""
    scales = {key.removesuffix(".scale") for key in state if key.endswith(".scale")}
    return {
        key: tensor.float() * state[f"{key}.scale"].float().view(-1, *[1] * (tensor.ndim - 1))
        if key in scales
        else tensor
        for key, tensor in state.items()
        if not key.endswith(".scale")
    }


def sha256(path: Path) -> str:
    """Hex digest of a file; remembered while its size and time stay."""
    stat = path.stat()
    return _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, time: int) -> str:  # noqa: ARG001 (the key of the cache)
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
