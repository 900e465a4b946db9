"""Weight files: read them without running code, and say what network they describe."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import pickle
import re
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from dinoseg.backbone.layouts import canonical, tensors_of
from dinoseg.backbone.memory import out_of_memory
from dinoseg.backbone.precision import own_precision
from dinoseg.backbone.vit import IMAGENET_MEAN, IMAGENET_STD, RGB, Backbone, BackboneSpec
from dinoseg.errors import CorruptWeights, UnsafeWeights, WeightsMismatch, WeightsNotFound, first_line
from dinoseg.files import open_regular

OTHER_FILES = (
    (rb"$", "is empty: fetch it again"),
    (rb"version https://git-lfs", "is a pointer of Git LFS, not the weights: `git lfs pull` brings them"),
    (rb"\s*<", "is a web page, not weights: download the file itself"),
    (rb"\s*[{\[]", "is json, perhaps the configuration beside the weights: name the weight file"),
    (rb"\x89HDF\r\n", "is HDF5, as Keras writes it, which is not read: convert it to .safetensors"),
    (rb"\x08[\x01-\x0f][\x12\x1a\x22\x3a\x42]", "is ONNX, not a checkpoint: name the weights that it was made from"),
    (rb"GGUF", "is GGUF, which is not read: name the .safetensors that it was made from"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!", "is compressed: unpack it first"),
    (rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF.{4}WEBP|BM", "is a picture, not weights"),
    (rb"%PDF", "is a PDF, not weights"),
)
"""How files begin that are taken for weights, and what is said of them."""
SCALAR = np.float64(0).__reduce__()[0]
DTYPES = [type(np.dtype(kind)) for kind in (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)]
ALLOWED: list[Any] = [
    argparse.Namespace,  # options, in official training files
    np.dtype,
    *DTYPES,  # numpy's scalars: losses and accuracies in training files
    *((SCALAR, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")),
]
"""What a pickle may hold beside tensors: making these runs nothing of the file's."""
SAVE = "Ask its maker for .safetensors, or save its state_dict alone."
PERIODS = "rope_embed.periods"
"""Where Meta's DINOv3 program stores the periods of its rotary positions."""
TEMPERATURE = 100
"""Of DINOv3's rotary positions."""


@own_precision()
def load_file(path: Path, *, name: str = "", heads: int | None = None, positions: str | None = None) -> Backbone:
    """A ``Backbone`` in eval mode on the CPU, float32, from a ``.safetensors`` or ``.pth`` file.

    Width, depth, patch, MLP width and registers are read from the tensors; heads from ``heads``, else the file's
    metadata or the config.json beside it, else width / 64. ``positions="timm"`` resizes the position table
    as timm does. Raises ``WeightsError``.
    """
    state, metadata = read_state(path)
    state = dequantise(canonical(state, path))
    periods = state.pop(PERIODS, None)
    if periods is not None and heads is None:
        heads = heads_of(periods, state, path)
    refuse_non_finite(state, path)
    spec = describe(state, metadata, path, name=name or path.stem, heads=heads, positions=positions)
    mean, std = pixel_statistics(metadata, path)
    spec = replace(spec, mean=mean, std=std)
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


def refuse_non_finite(state: Mapping[str, Tensor], path: Path) -> None:
    """Raise ``CorruptWeights`` for NaN or infinity in any tensor: all that comes of them would be NaN."""
    bad = [key for key, tensor in state.items() if not bool(tensor.isfinite().all())]
    if bad:
        raise CorruptWeights(
            f"{path} holds NaN or infinite values in {len(bad)} of {len(state)} tensors ({', '.join(bad[:3])}): its "
            "training failed, or it is damaged; take an earlier checkpoint."
        )


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


def pixel_statistics(metadata: Mapping[str, str], path: Path) -> tuple[RGB, RGB]:
    """Mean and deviation of pixels as the file says, or timm's or transformers' json beside it, else ImageNet's."""
    told: dict[str, Any] = {}
    with suppress(ValueError):
        told = {key: json.loads(metadata[key]) for key in ("mean", "std") if key in metadata}
    for name, begin in (("config.json", ""), ("preprocessor_config.json", "image_")):
        config = read_config(path.with_name(name))
        inner = config.get("pretrained_cfg")
        config = inner if isinstance(inner, dict) else config
        told = {key: config.get(f"{begin}{key}") for key in ("mean", "std")} | told
        told = {key: value for key, value in told.items() if value is not None}
    mean, std = told.get("mean", IMAGENET_MEAN), told.get("std", IMAGENET_STD)
    if not (three_numbers(mean) and three_numbers(std) and min(std) > 0):
        raise WeightsMismatch(
            f"{path}: its mean {mean} or deviation {std} of pixels are no three numbers: --mean, --std."
        )
    return tuple(map(float, mean)), tuple(map(float, std))  # type: ignore[return-value] # three each


def read_config(path: Path) -> dict[str, Any]:
    """A small json beside the weights; nothing where there is none that can be read."""
    try:
        with open_regular(path) as file:
            config = json.loads(file.read(2**20))
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def three_numbers(value: object) -> bool:
    """Whether it is a list of three finite numbers."""
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(isinstance(x, int | float) and math.isfinite(x) for x in value)
    )


def heads_of(periods: Tensor, state: Mapping[str, Tensor], path: Path) -> int:
    """Heads by the periods of rotary positions, ``(c / 4,)`` for heads of c channels.

    timm's class makes its own: raises ``WeightsMismatch`` where they are others.
    """
    if not torch.allclose(periods.float(), TEMPERATURE ** (torch.arange(len(periods)) / len(periods)), rtol=0.01):
        raise WeightsMismatch(f"{path} has other periods of rotary positions than DINOv3, which is not supported.")
    return int(state["cls_token"].shape[-1]) // (4 * len(periods)) if "cls_token" in state else 0


def count_heads(width: int, asked: int | None, metadata: Mapping[str, str], path: Path) -> int:
    """Attention heads: as asked, as the file says, or width / 64. Raises ``WeightsMismatch``."""
    said = metadata.get("num_heads") or str(read_config(path.with_name("config.json")).get("num_attention_heads", 0))
    told = asked or (int(said) if said.isdecimal() else 0) or (width // 64 if width % 64 == 0 else 0)
    if not told or width % told:
        raise WeightsMismatch(
            f"{path} has width {width} and does not say how many attention heads: pass --heads N"
            f"{f' ({told} does not divide {width})' if told else ''}."
        )
    return told


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file, as stored. Never runs code. Raises ``WeightsError``."""
    head = beginning(path)
    refuse_other_files(path, head)
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        return read_safetensors(path)
    loaded = read_pickle(path)
    metadata = loaded.pop("dinoseg_metadata", {}) if isinstance(loaded, dict) else {}
    told = dict(metadata.items()) if isinstance(metadata, Mapping) else {}
    return tensors_of(loaded, path), pixels_of_lightly(loaded) | {str(key): str(value) for key, value in told.items()}


def pixels_of_lightly(loaded: Any) -> dict[str, str]:
    """Mean and deviation that lightly-train writes into its checkpoints, as a header has them."""
    told = loaded
    for key in ("lightly_train", "normalize_args"):
        told = told.get(key) if isinstance(told, Mapping) else None
    return (
        {key: json.dumps(told[key], default=str) for key in ("mean", "std") if key in told}
        if isinstance(told, dict)
        else {}
    )


def beginning(path: Path) -> bytes:
    """The first bytes of a file. Raises ``WeightsNotFound`` for what is no file that can be read."""
    try:
        with open_regular(path) as file:
            return file.read(512)
    except FileNotFoundError as error:
        raise WeightsNotFound(f"{path} is not there. `dinoseg models` lists what can be loaded by name.") from error
    except OSError as error:
        raise WeightsNotFound(f"{path} cannot be opened ({error.strerror}).") from error


def refuse_other_files(path: Path, head: bytes) -> None:
    """Raise ``CorruptWeights`` for a file that is no checkpoint, saying what it is and what to do."""
    if head[8:9] == b"{":  # safetensors: 8 bytes of length come first
        return
    for magic, what in OTHER_FILES:
        if re.match(magic, head, re.DOTALL):
            raise CorruptWeights(f"{path} {what}.")
    if head[:2] == b"PK":
        refuse_other_archives(path)
    elif head[:1] != b"\x80" and path.suffix != ".safetensors":
        raise CorruptWeights(f"{path} is no weight file: .safetensors or a PyTorch .pth is needed.")


def refuse_other_archives(path: Path) -> None:
    """The same for a zip archive, which PyTorch's files are too."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise CorruptWeights(f"{path} is half a download or damaged ({error}): fetch it again.") from error
    if any("/code/" in name for name in names):
        raise CorruptWeights(
            f"{path} is a TorchScript program, not weights: torch.jit.load it and save its state_dict()."
        )
    if not any(name.endswith("data.pkl") for name in names):
        raise CorruptWeights(
            f"{path} is a zip archive and no PyTorch file: unpack it, or fetch the weights themselves."
        )


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """See ``read_state``."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptWeights(f"{path} is not a whole safetensors file ({error}): fetch it again.") from error


def read_pickle(path: Path) -> Any:
    """``torch.load`` with ``weights_only``; what is allowed beside tensors runs no code (see ``ALLOWED``)."""
    try:
        with torch.serialization.safe_globals(ALLOWED):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a changed byte can make each of a dozen types of it
        if out_of_memory(error):
            raise
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if isinstance(error, pickle.UnpicklingError) and (named or "Unsupported" in str(error)):
            what = f"objects of {named.group(1)}" if named else "objects"
            raise UnsafeWeights(
                f"{path} holds {what}, which may run code while they load, so it was not loaded. {SAVE}"
            ) from error
        says = first_line(error) if "weights_only" not in str(error) else "no tensors where they should be"
        raise CorruptWeights(
            f"{path} is no PyTorch weight file, half a download or damaged ({says}): fetch it again."
        ) from error


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
