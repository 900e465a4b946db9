"""What a network is, whatever its family, and what one pass of it gives."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dinoseg.backbone.features import Features
from dinoseg.types import Fit

RGB = tuple[float, float, float]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """What the tensors of a weight file say about the network, and where they came from."""

    name: str
    family: str
    """A name of ``backbone.families``, which tells whatever depends on it."""
    patch: int
    """px per cell of the grid of features."""
    width: int
    """Of the embedding of an image."""
    depth: int
    """Blocks of a ViT; this and what follows is 0 or empty for other networks."""
    heads: int
    hidden: int
    """MLP neurons per block."""
    registers: int
    positions: str
    """How the position table is resized: ``offset``, ``antialias`` (see ``resize_positions``) or ``rope``."""
    layer_scale: bool
    sha256: str = ""
    mean: RGB = IMAGENET_MEAN
    """Of red, green and blue in 0..1 over what it was trained on: taken out of pixels."""
    std: RGB = IMAGENET_STD
    """The same for the deviation, by which they are divided."""
    architecture: str = ""
    """timm's name of a network that is more than its numbers say; empty for a ViT."""

    @property
    def prefix(self) -> int:
        """Tokens before the patches: CLS and registers."""
        return 1 + self.registers


class Backbone(nn.Module):
    """A network with the way from pixels to ``Features``; each family's class says how it gets there.

    Images are float ``(B, 3, h, w)``, normalised with ``normalise``. ``forward`` is one pass for methods and
    descriptors, ``embedding`` the plain differentiable network that training uses.
    """

    attribute: ClassVar[str]
    """What timm's module is called in it, and so in the checkpoints of a training."""
    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, spec: BackboneSpec) -> None:
        super().__init__()
        self.add_module(self.attribute, network)
        self.spec = spec
        self.register_buffer("mean", torch.tensor(spec.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(3, 1, 1), persistent=False)

    @property
    def network(self) -> Any:
        """timm's module, whose state dict is what weight files hold."""
        return self.get_submodule(self.attribute)

    def embedding(self, images: Tensor) -> Tensor:
        """One vector per image, ``(B, d)``."""
        raise NotImplementedError

    def forward(self, images: Tensor, facets: Collection[str] = (), cls: bool = False) -> Features:
        """What the family has for every image, and those facets (of ``FACETS``) that were asked for."""
        raise NotImplementedError

    def normalising(self, mean: RGB | None, std: RGB | None) -> Backbone:
        """The same network with another mean and deviation of pixels, where they are given; the weights are shared."""
        if mean is None and std is None:
            return self
        spec = replace(self.spec, mean=mean or self.spec.mean, std=std or self.spec.std)
        return type(self)(self.network, spec).to(self.device).train(self.training)

    @property
    def device(self) -> torch.device:
        """The torch device on which the weights lie."""
        return self.mean.device

    def normalise(self, images: Tensor) -> Tensor:
        """Images ``(B, 3, h, w)`` uint8 or float 0..1 -> float with the mean taken out, over the deviation."""
        images = images.float() / 255 if images.dtype == torch.uint8 else images
        return (images - self.mean) / self.std

    def prepare(self, pixels: NDArray[np.uint8], fit: Fit) -> Tensor:
        """A scaled photo ``(h, w, 3)`` on the device, normalised, zeros right and below it, ``(1, 3, gh p, gw p)``."""
        image = self.normalise(torch.from_numpy(pixels).to(self.device).permute(2, 0, 1))  # (3, h, w)
        height, width = (length * fit.patch for length in fit.grid)
        return F.pad(image, (0, width - image.shape[2], 0, height - image.shape[1]))[None]
