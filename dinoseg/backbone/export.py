"""Files of our own: safetensors, matrices as int8 with one float16 scale per output row where size counts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from dinoseg.atomic import atomic_write
from dinoseg.backbone.base import Backbone
from dinoseg.backbone.families import family_of
from dinoseg.backbone.spec import IMAGENET_MEAN, IMAGENET_STD, BackboneSpec
from dinoseg.errors import NonFiniteLoss

LIMIT = 127
MATRIX = re.compile(r"blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc\d)\.weight")


def quantise_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric int8 ``(rows, columns)`` and float16 scales ``(rows,)``: matrix is nearly int8 * scale."""
    scale = (matrix.abs().amax(dim=1) / LIMIT).clamp_min(torch.finfo(torch.float16).smallest_normal).half()
    rows = (matrix / scale.float()[:, None]).round().clamp(-LIMIT, LIMIT)
    return rows.to(torch.int8), scale


def packed(state: Mapping[str, Tensor], store: str) -> dict[str, Tensor]:
    """A state dict as it is stored: int8 matrices of the blocks (``store="int8"``), else float16 or float32."""
    result = {}
    for name, tensor in state.items():
        if store == "int8" and MATRIX.fullmatch(name):
            result[name], result[f"{name}.scale"] = quantise_rows(tensor.float())
        elif tensor.is_floating_point():
            result[name] = tensor.float() if store == "float32" else tensor.half()
        else:
            result[name] = tensor  # how many batches a norm has seen
    return {name: tensor.contiguous().cpu() for name, tensor in result.items()}


def metadata_of(spec: BackboneSpec) -> dict[str, str]:
    """What the tensors do not say, as a safetensors header."""
    usual = (spec.mean, spec.std) == (IMAGENET_MEAN, IMAGENET_STD)
    pixels = {} if usual else {"mean": json.dumps(spec.mean), "std": json.dumps(spec.std)}
    return {**pixels, "format": "pt", "family": spec.family, **family_of(spec.family).header(spec)}


def save_backbone(backbone: Backbone, path: Path, *, store: str = "float16", **facts: str) -> None:
    """Write a network whole or not at all; ``facts`` join the header. Raises ``NonFiniteLoss``."""
    header, tensors = {**metadata_of(backbone.spec), **facts}, packed(backbone.network.state_dict(), store)
    if not all_finite(tensors.values()):
        raise NonFiniteLoss(
            f"Weights are NaN, infinite or too large for {store}: {path} is not written. Start again with a smaller "
            "--lr."
        )
    with atomic_write(path) as file:
        file.write(with_sorted_header(save(tensors, metadata=header)))


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether none of them holds NaN or an infinite number."""
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def with_sorted_header(content: bytes) -> bytes:
    """The same safetensors file with its header in a fixed order: equal networks give equal files and hashes."""
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]
