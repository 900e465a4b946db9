"""From a weight file to a network: whose family it is, what its tensors say, and no NaN among them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.families import FAMILIES, families, family_of
from dinoseg.backbone.families.family import Family, WeightFile, read_config
from dinoseg.backbone.formats import read_state
from dinoseg.backbone.layouts import unwrapped
from dinoseg.backbone.precision import own_precision
from dinoseg.backbone.spec import IMAGENET_MEAN, IMAGENET_STD, RGB, BackboneSpec
from dinoseg.errors import CorruptWeights, WeightsMismatch
from dinoseg.files import sha256


@own_precision()
def load_file(path: Path, *, name: str = "", heads: int | None = None, positions: str | None = None) -> Backbone:
    """A ``Backbone`` in eval mode on the CPU, float32, from a ``.safetensors`` or ``.pth`` file.

    Width, depth, patch, MLP width and registers are read from the tensors; heads from ``heads``, else the file's
    metadata or the config.json beside it, else width / 64. ``positions="timm"`` resizes the position table
    as timm does. Raises ``WeightsError``.
    """
    state, metadata = read_state(path)
    file = WeightFile(path, name or path.stem, metadata, heads, positions, sha256(path))
    family, state = recognised(unwrapped(state), file)
    spec, state = family.read(state, file)
    refuse_non_finite(state, path)
    mean, std = pixel_statistics(metadata, path)
    return assemble(replace(spec, mean=mean, std=std), state, path)


def recognised(state: Mapping[str, Tensor], file: WeightFile) -> tuple[Family, dict[str, Tensor]]:
    """The family of a file, as its header or else its tensors say, and these in float under timm's names.

    Raises ``WeightsMismatch`` where no family has it.
    """
    said = file.metadata.get("family")
    for family in sorted(families(), key=lambda family: family.name != said):
        if family.holds(state, file):
            tensors = family.translate(state, file)
            if family.name == said or family.recognises(tensors):
                return family, dequantise(tensors)
    raise WeightsMismatch(
        f"{file.path} holds no network of a family that dinoseg knows ({', '.join(FAMILIES)}). Keys seen: "
        f"{', '.join(sorted(state)[:5])} ..."
    )


def assemble(spec: BackboneSpec, state: Mapping[str, Tensor], path: Path) -> Backbone:
    """Build the network that ``spec`` describes and load ``state`` strictly."""
    family = family_of(spec.family)
    network = family.build(spec, state)
    expected = network.state_dict()
    wrong = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    missing, extra = sorted(set(expected) - set(state)), sorted(set(state) - set(expected))
    if wrong or missing or extra:
        parts = [("wrong shape", wrong), ("missing", missing), ("unexpected", extra)]
        listed = "; ".join(f"{len(keys)} {what}: {', '.join(keys[:5])}" for what, keys in parts if keys)
        raise WeightsMismatch(f"{path} does not fit {family.shape(spec)}: {listed}.")
    network.load_state_dict({key: value.float() for key, value in state.items()}, strict=True)
    return family.wrap(network, spec).eval().requires_grad_(False)


def refuse_non_finite(state: Mapping[str, Tensor], path: Path) -> None:
    """Raise ``CorruptWeights`` for NaN or infinity in any tensor: all that comes of them would be NaN."""
    bad = [key for key, tensor in state.items() if not bool(tensor.isfinite().all())]
    if bad:
        raise CorruptWeights(
            f"{path} holds NaN or infinite values in {len(bad)} of {len(state)} tensors ({', '.join(bad[:3])}): its "
            "training failed, or it is damaged; take an earlier checkpoint."
        )


def pixel_statistics(metadata: Mapping[str, str], path: Path) -> tuple[RGB, RGB]:
    """Mean and deviation of pixels as the file says, or timm's or transformers' json beside it, else ImageNet's."""
    stated: dict[str, Any] = {}
    with suppress(ValueError):
        stated = {key: json.loads(metadata[key]) for key in ("mean", "std") if key in metadata}
    for name, begin in (("config.json", ""), ("preprocessor_config.json", "image_")):
        config = read_config(path.with_name(name))
        inner = config.get("pretrained_cfg")
        config = inner if isinstance(inner, dict) else config
        stated = {key: config.get(f"{begin}{key}") for key in ("mean", "std")} | stated
        stated = {key: value for key, value in stated.items() if value is not None}
    mean, std = stated.get("mean", IMAGENET_MEAN), stated.get("std", IMAGENET_STD)
    if not (three_numbers(mean) and three_numbers(std) and min(std) > 0):
        raise WeightsMismatch(
            f"{path}: its mean {mean} or deviation {std} of pixels are no three numbers: --mean, --std."
        )
    return tuple(map(float, mean)), tuple(map(float, std))  # type: ignore[return-value] # three each


def three_numbers(value: object) -> bool:
    """Whether it is a list of three finite numbers."""
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(isinstance(x, int | float) and math.isfinite(x) for x in value)
    )


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
