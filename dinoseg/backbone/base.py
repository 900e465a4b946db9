"""A network in torch, whatever its family, and what one pass of it gives."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dinoseg.backbone.features import Features
from dinoseg.backbone.precision import inference
from dinoseg.backbone.spec import RGB, BackboneSpec


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
    def runtime(self) -> str:
        """See ``Network``."""
        return "torch"

    @property
    def graph(self) -> str:
        """See ``Network``."""
        return ""

    @property
    def parallel(self) -> int:
        """See ``Network``: a pass takes all cores."""
        return 1

    @property
    def device(self) -> torch.device:
        """The torch device on which the weights lie."""
        return self.mean.device

    def normalise(self, images: Tensor) -> Tensor:
        """Images ``(B, 3, h, w)`` uint8 or float 0..1 -> float with the mean taken out, over the deviation."""
        images = images.float() / 255 if images.dtype == torch.uint8 else images
        return (images - self.mean) / self.std

    @inference
    def encode(self, pixels: Sequence[NDArray[np.uint8]], grid: tuple[int, int], facets: Collection[str]) -> Features:
        """See ``Network``: one pass over all of them."""
        images = torch.cat([self.prepare(each, grid) for each in pixels])  # (B, 3, h, w)
        return cast(Features, self(images, facets=facets))

    def prepare(self, pixels: NDArray[np.uint8], grid: tuple[int, int]) -> Tensor:
        """A scaled photo ``(h, w, 3)`` on the device, normalised, zeros right and below it, ``(1, 3, gh p, gw p)``."""
        image = self.normalise(torch.from_numpy(pixels).to(self.device).permute(2, 0, 1))  # (3, h, w)
        height, width = (length * self.spec.patch for length in grid)
        return F.pad(image, (0, width - image.shape[2], 0, height - image.shape[1]))[None]
