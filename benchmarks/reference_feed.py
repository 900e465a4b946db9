"""The reference way to feed DINO: photograph by photograph through Pillow and torchvision's transforms."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageFilter, ImageOps
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import transforms

from dinoseg.backbone.spec import IMAGENET_MEAN, IMAGENET_STD
from dinoseg.types import Source


@dataclass(frozen=True)
class Blur:
    """Gaussian blur with a probability, radius uniform in 0.1 .. 2."""

    probability: float

    def __call__(self, image: Image.Image) -> Image.Image:
        """Pillow's radius is the deviation."""
        if random.random() >= self.probability:
            return image
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))


def solarise(image: Image.Image) -> Image.Image:
    return ImageOps.solarize(image) if random.random() < 0.2 else image


def view(size: int, area: tuple[float, float], blur: float, *more: Callable[[Any], Any]) -> transforms.Compose:
    """One kind of view, photograph by photograph, up to the 0..1 tensor."""
    jitter = transforms.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    steps = [
        transforms.RandomResizedCrop(size, scale=area, interpolation=transforms.InterpolationMode.BICUBIC),
        transforms.RandomHorizontalFlip(0.5),
        transforms.RandomApply([jitter], p=0.8),
        transforms.RandomGrayscale(0.2),
        Blur(blur),
    ]
    return transforms.Compose([*steps, *more, transforms.ToTensor()])


def reference_views(large: int, small: int) -> list[transforms.Compose]:
    """First and second large view, small view."""
    return [
        view(large, (0.4, 1.0), 1.0),
        view(large, (0.4, 1.0), 0.1, solarise),
        view(small, (0.05, 0.4), 0.5),
    ]


class ReferencePhotos(Dataset[list[Tensor]]):
    """Photographs as all their normalised views: two large ones, then the small ones."""

    def __init__(self, sources: Sequence[Source], large: int, small: int, local_crops: int) -> None:
        self.sources = list(sources)
        first, second, local = reference_views(large, small)
        self.views = [first, second, *[local] * local_crops]
        self.normalise = transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> list[Tensor]:
        """Decoded anew every time; ``(3, size, size)`` each."""
        image = Image.open(self.sources[index].content).convert("RGB")
        return [self.normalise(make(image)) for make in self.views]
