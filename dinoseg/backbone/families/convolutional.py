"""``convolutional``: DINO's ResNet-50 (Caron et al. 2021), and any convolutional network that timm has by name.

There is no CLS token. The embedding of an image is timm's own: the pooled map of the last stage. The facet is that map,
one vector per cell, as finely as the network gives it: 32 px a cell for most. A plain ResNet is dilated in its last
stage (Yu et al. 2017) to 16 px, which the program of LOST (Siméoni et al. 2021) does as well: an object of a few cells
cannot be cut out. Dilation leaves the weights and, at every second cell, the map as they are, so the embedding, pooled
from these cells, is that of the published network.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from typing import Any

import timm
import torch
from torch import Tensor, nn

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.families.family import Family, WeightFile
from dinoseg.backbone.families.vit import ANCHORS
from dinoseg.backbone.features import Features
from dinoseg.backbone.layouts import best_prefix
from dinoseg.backbone.precision import own_precision
from dinoseg.backbone.spec import BackboneSpec
from dinoseg.errors import OptionError, WeightsMismatch

DILATED = 16
"""px per cell of a ResNet whose last stage is dilated."""
RESNETS = {
    (2, 2, 2, 2, "basic"): "resnet18",
    (3, 4, 6, 3, "basic"): "resnet34",
    (3, 4, 6, 3, "bottleneck"): "resnet50",
    (3, 4, 23, 3, "bottleneck"): "resnet101",
    (3, 8, 36, 3, "bottleneck"): "resnet152",
}
"""Blocks of the four stages and their kind -> timm's name, for files that do not say it."""
BLOCK = re.compile(r"layer([1-4])\.\d+\.conv1\.weight$")
PLAIN = re.compile(r"(conv1|bn1|layer\d\.\d+\.(conv\d|bn\d|downsample\.[01]))\.\w+")
"""Tensors of a ResNet of nothing but convolutions and batch norms, whose shortcuts do not pool."""
NOT_BACKBONE = re.compile(r"(fc|head|classifier|projection_head|prototypes|projector|predictor)(\.|$)")
SIDE = 64
"""px of the image by which a network is measured."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What timm builds under a name."""

    names: frozenset[str]
    """Of its tensors."""
    anchor: str
    """One of them that no other ends with."""
    stride: int
    """px per cell of its last map."""
    width: int
    """Channels of its embedding."""


@dataclass(frozen=True, kw_only=True)
class Convolutional(Family):
    """Features behind a ReLU are never negative, so all cosines are high: methods take the image's mean out first."""

    def holds(self, state: Mapping[str, Tensor], file: WeightFile) -> bool:
        """See ``Family``."""
        return not any(key.endswith(ANCHORS) for key in state) and name_of(state, file) is not None

    def translate(self, state: Mapping[str, Tensor], file: WeightFile) -> dict[str, Tensor]:
        """See ``Family``: names are timm's, which for ResNets are torchvision's, but for prefix and classifier."""
        architecture = architecture_of(state, file)
        prefix = best_prefix(state, (architecture.anchor,), file.path)
        tensors = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
        return {
            name: tensor
            for name, tensor in tensors.items()
            if name in architecture.names or not NOT_BACKBONE.match(name)
        }

    def recognises(self, state: Mapping[str, Tensor]) -> bool:  # noqa: ARG002
        """Any network that is held."""
        return True

    def read(self, state: Mapping[str, Tensor], file: WeightFile) -> tuple[BackboneSpec, dict[str, Tensor]]:
        """See ``Family``."""
        if file.heads:
            raise WeightsMismatch(
                f"{file.path} is a convolutional network, without attention heads: leave out --heads."
            )
        name, architecture = name_of(state, file), architecture_of(state, file)
        assert name is not None
        plain = all(map(PLAIN.fullmatch, state)) and architecture.stride == 2 * DILATED
        spec = self.spec(file.name, name, DILATED if plain else architecture.stride, file.sha256)
        counters = (each for each in architecture.names - state.keys() if each.endswith("num_batches_tracked"))
        return spec, {
            **state,
            **{each: torch.tensor(0) for each in counters},
        }  # old files have none, and none reads them

    def spec(self, name: str, architecture: str, stride: int, sha256: str = "") -> BackboneSpec:
        """Of timm's network ``architecture`` with ``stride`` px per cell: its own, or ``DILATED``."""
        return BackboneSpec(
            name=name,
            family=self.name,
            patch=stride,
            width=measured(architecture).width,
            depth=0,
            heads=0,
            hidden=0,
            registers=0,
            positions="",
            layer_scale=False,
            sha256=sha256,
            architecture=architecture,
        )

    def scratch(self, architecture: str) -> BackboneSpec:
        """Of the network of that name as it trains, undilated. Raises ``OptionError`` for a name timm does not have."""
        if not timm.is_model(architecture):
            near = ", ".join(get_close_matches(architecture, timm.list_models(), cutoff=0.5)) or "resnet50"
            raise OptionError(f"--arch {architecture} is no network of timm. Near it: {near}.")
        try:
            return self.spec("trained", architecture, measured(architecture).stride)
        except WeightsMismatch as error:
            raise OptionError(f"--arch {architecture}: {error}") from error

    def build(self, spec: BackboneSpec, state: Mapping[str, Tensor] | None = None) -> nn.Module:  # noqa: ARG002
        """See ``Family``."""
        dilation: dict[str, Any] = (
            {} if spec.patch == measured(spec.architecture).stride else {"output_stride": spec.patch}
        )
        network: nn.Module = timm.create_model(spec.architecture, num_classes=0, **dilation)
        return network

    def wrap(self, network: nn.Module, spec: BackboneSpec) -> Backbone:
        """See ``Family``."""
        return ConvolutionalNetwork(network, spec)

    def for_training(self, backbone: Backbone) -> Backbone:
        """See ``Family``: undilated, as published."""
        spec = replace(backbone.spec, patch=measured(backbone.spec.architecture).stride)
        network = self.build(spec)
        network.load_state_dict(backbone.network.state_dict())
        return self.wrap(network, spec)

    def header(self, spec: BackboneSpec) -> dict[str, str]:
        """See ``Family``."""
        return {"architecture": spec.architecture}

    def shape(self, spec: BackboneSpec) -> str:
        """See ``Family``."""
        return f"timm's {spec.architecture}"


class ConvolutionalNetwork(Backbone):
    """A convolutional network of timm. There is no attention; ``token`` is the map of the last stage."""

    attribute = "cnn"
    cnn: Any

    def embedding(self, images: Tensor) -> Tensor:
        """The pooled map of the last stage, ``(B, d)``."""
        return self.pooled(self.cnn.forward_features(images))

    def forward(self, images: Tensor, facets: Collection[str] = (), cls: bool = False) -> Features:
        """See ``Backbone``; sides of images are multiples of ``spec.patch``."""
        if set(facets) - {"token"}:
            raise ValueError(f"unknown facet {sorted(facets)}; a convolutional network has token")
        grid = tuple(side // self.spec.patch for side in images.shape[-2:])
        last = self.cnn.forward_features(images)  # (B, C, gh, gw)
        if last.shape[-2:] != grid or any(side % self.spec.patch for side in images.shape[-2:]):
            raise ValueError(f"image of {images.shape[-2:]} px does not lie on the grid of {self.spec.patch} px cells")
        token = {"token": last.permute(0, 2, 3, 1).contiguous()} if "token" in facets else {}
        return Features(None, self.spec.family, self.spec.patch, token, self.pooled(last) if cls else None)

    def pooled(self, last: Tensor) -> Tensor:
        """Map ``(B, C, gh, gw)`` -> ``(B, d)``: of the cells that the undilated network has, by timm's own head."""
        step = measured(self.spec.architecture).stride // self.spec.patch
        pooled: Tensor = self.cnn.forward_head(last[:, :, ::step, ::step], pre_logits=True)
        return pooled


def name_of(state: Mapping[str, Tensor], file: WeightFile) -> str | None:
    """timm's name of a network: as the file or the json beside it says, or by the blocks of a ResNet."""
    said = file.metadata.get("architecture") or file.config.get("architecture")
    if isinstance(said, str) and timm.is_model(said):
        return said
    blocks = Counter(found[0] for found in (BLOCK.search(key) for key in state) if found)
    stages = Counter(name[5] for name in blocks)
    kind = "bottleneck" if any(key.endswith("layer1.0.conv3.weight") for key in state) else "basic"
    return RESNETS.get((stages["1"], stages["2"], stages["3"], stages["4"], kind))


def architecture_of(state: Mapping[str, Tensor], file: WeightFile) -> Architecture:
    """What timm builds under the name of a file's network. Raises ``WeightsMismatch`` where it is not convolutional."""
    name = name_of(state, file)
    assert name is not None
    return measured(name)


@cache
@own_precision()
def measured(name: str) -> Architecture:
    """What timm builds under a name, by a pass that computes nothing.

    Raises ``WeightsMismatch`` where that is no convolutional network.
    """
    try:
        with torch.device("meta"):
            network: Any = timm.create_model(name, num_classes=0).eval()
            last = network.forward_features(torch.empty(1, 3, SIDE, SIDE))
            if last.ndim != 4 or last.shape[2] != last.shape[3]:
                raise TypeError(f"its last map has the shape {tuple(last.shape)}")  # noqa: TRY301
            width = network.forward_head(last, pre_logits=True).shape[-1]
    except Exception as error:  # of any of hundreds of classes
        raise WeightsMismatch(f"{name} of timm does not work as a convolutional network here ({error}).") from error
    names = list(network.state_dict())
    anchor = next(each for each in names if sum(other.endswith(each) for other in names) == 1)
    return Architecture(frozenset(names), anchor, SIDE // last.shape[2], width)


CONVOLUTIONAL = Convolutional(
    name="convolutional", facet="token", facets=("token",), centred=("token",), attention=False, prunable=False
)
