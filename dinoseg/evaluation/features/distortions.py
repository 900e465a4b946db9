"""What happens to a picture before it is found again somewhere else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from dinoseg.images.corruptions import recompressed

Distortion = Callable[[Image.Image], Image.Image]


def cropped(share: float) -> Distortion:
    """The middle of the picture, with that share of its area."""

    def distort(image: Image.Image) -> Image.Image:
        width, height = (max(1, round(side * share**0.5)) for side in image.size)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return image.crop((left, top, left + width, top + height))

    return distort


def blurred(image: Image.Image) -> Image.Image:
    """A Gaussian with a deviation of 2 % of the short side."""
    return image.filter(ImageFilter.GaussianBlur(0.02 * min(image.size)))


def shrunk(image: Image.Image) -> Image.Image:
    """A quarter of the side, as a thumbnail is."""
    return image.resize((max(1, image.width // 4), max(1, image.height // 4)), Image.Resampling.BICUBIC)


def turned(image: Image.Image) -> Image.Image:
    """By 15 degrees, black corners."""
    return image.rotate(15, Image.Resampling.BICUBIC)


def darkened(image: Image.Image) -> Image.Image:
    """Half as bright, half the contrast."""
    return ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(0.5)).enhance(0.5)


def framed(image: Image.Image) -> Image.Image:
    """On a white page, a quarter of the short side around it."""
    return ImageOps.expand(image, min(image.size) // 4, (255, 255, 255))


def strong(image: Image.Image) -> Image.Image:
    """Half of its area, mirrored, grey and as a JPEG of quality 20, all at once."""
    return recompressed(ImageOps.grayscale(ImageOps.mirror(cropped(0.5)(image))).convert("RGB"), 20)


DISTORTIONS: dict[str, Distortion] = {
    "JPEG of quality 10": partial(recompressed, quality=10),
    "half of the area": cropped(0.5),
    "blur": blurred,
    "thumbnail": shrunk,
    "turned by 15 degrees": turned,
    "mirrored": ImageOps.mirror,
    "grey": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "dark and flat": darkened,
    "white frame": framed,
    "strong": strong,
}
"""By name; each takes and gives RGB."""


def distorted(pixels: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """A photograph ``(H, W, 3)`` after the distortion of that name, ``(h, w, 3)``."""
    return np.array(DISTORTIONS[name](Image.fromarray(pixels)))
