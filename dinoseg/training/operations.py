"""Image operations on whole batches, one set of parameters per image, equal to Pillow's within a grey level.

Images are float ``(n, 3, h, w)``, 0..1. Resizing and blurring are separable: each is a matrix per image and side, so
that a crop of any size out of any photograph, or a blur of any strength, is a batched matrix product.
"""

from __future__ import annotations

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
HALF = 128 / 255
BOX_PASSES = 3


def crop_resize(images: Tensor, boxes: Tensor, size: int, flip: Tensor) -> Tensor:
    """Crops ``(V, B, 3, size, size)``, bicubic and antialiased, from images ``(B, 3, H, W)``.

    ``boxes`` is ``(V, B, 4)``: top, left, height, width in px; ``flip`` is ``(V, B)`` bool: mirror left and right.
    """
    top, left, height, width = boxes.unbind(-1)  # each (V, B)
    rows = resize_weights(top, height, size, images.shape[-2])  # (V, B, size, H)
    columns = resize_weights(left, width, size, images.shape[-1])  # (V, B, size, W)
    columns = torch.where(flip[..., None, None], columns.flip(-2), columns)
    wide = torch.einsum("bchw,vbxw->bchvx", images, columns).clamp_(0, 1)  # Pillow clips between its two passes too
    return torch.einsum("vbyh,bchvx->vbcyx", rows, wide).clamp_(0, 1)


def resize_weights(start: Tensor, length: Tensor, size: int, extent: int) -> Tensor:
    """Weights ``(..., size, extent)`` that resize pixels ``start .. start + length - 1`` of a line to ``size`` pixels.

    Keys' cubic with a = -0.5, widened where it shrinks; nothing outside the range counts (Pillow's rule).
    """
    start, length = start[..., None, None], length[..., None, None]
    scale = length / size
    centre = start + (torch.arange(size, device=start.device)[:, None] + 0.5) * scale  # (..., size, 1)
    pixel = torch.arange(extent, device=start.device)  # (extent,)
    weights = cubic((pixel + 0.5 - centre) / scale.clamp_min(1))  # (..., size, extent)
    weights = weights * ((pixel >= start) & (pixel < start + length))
    return weights / weights.sum(-1, keepdim=True)


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5, zero from distance 2 on."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of deviation ``sigma`` ``(n,)`` px as Pillow makes it: three box filters a side, rounded each."""
    rows, columns = (box_weights(sigma, side) for side in images.shape[-2:])  # (n, h, h), (n, w, w)
    for _ in range(BOX_PASSES):
        images = to_levels(torch.einsum("nchw,nxw->nchx", images, columns))
    for _ in range(BOX_PASSES):
        images = to_levels(torch.einsum("nyh,nchw->ncyw", rows, images))
    return images


def to_levels(images: Tensor) -> Tensor:
    """Round to the 256 grey levels; halves go down, because Pillow's fixed-point weights fall short of 1 by a hair."""
    return (images * 255 - 1e-3).round_().div_(255)


def box_weights(sigma: Tensor, side: int) -> Tensor:
    """One pass of the extended box filter (Gwosdek et al. 2011) along a line of ``side`` pixels, ``(n, side, side)``.

    A box of real radius r covers the pixels within floor(r) and a share of the next one; what it covers beyond an end
    of the line counts for the last pixel there. ``BOX_PASSES`` of them have deviation ``sigma``.
    """
    variance = sigma**2 / BOX_PASSES
    whole = ((12 * variance + 1).sqrt() / 2 - 0.5).floor()
    share = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance) / (6 * (variance - (whole + 1) ** 2))
    radius = (whole + share)[:, None, None]  # (n, 1, 1)
    place = torch.arange(side, device=sigma.device, dtype=sigma.dtype)
    box = (radius + 1 - (place[:, None] - place).abs()).clamp(0, 1)  # (n, side, side)
    beyond = (radius[..., 0] - place).clamp_min(0)  # (n, side)
    box[:, :, 0] += beyond
    box[:, :, -1] += beyond.flip(-1)
    return box / (2 * radius + 1)


def grey(images: Tensor) -> Tensor:
    """Luma ``(n, 1, h, w)``."""
    weights = torch.tensor(LUMA, device=images.device).view(3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def to_grey(images: Tensor) -> Tensor:
    """Grey pictures in three equal channels."""
    return grey(images).expand_as(images)


def blend(images: Tensor, other: Tensor | float, factor: Tensor) -> Tensor:
    """``other`` at factor 0, the image at 1, beyond it above; ``factor`` is ``(n,)``."""
    share = factor[:, None, None, None]
    return (images * share + other * (1 - share)).clamp_(0, 1)


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Towards or away from black."""
    return blend(images, 0.0, factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Towards or away from the image's mean luma."""
    return blend(images, grey(images).mean((1, 2, 3), keepdim=True), factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Towards or away from grey."""
    return blend(images, grey(images), factor)


def hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of HSV by ``shift`` ``(n,)`` turns, in the 8-bit steps of Pillow's hue and saturation."""
    high, brightest = images.max(1, keepdim=True)  # (n, 1, h, w)
    chroma = high - images.amin(1, keepdim=True)
    red, green, blue = (images / chroma.clamp_min(1e-8)).split(1, dim=1)
    sixth = torch.where(brightest == 0, green - blue, torch.where(brightest == 1, blue - red + 2, red - green + 4))
    angle = (255 * (sixth / 6 % 1)).floor() + (255 * shift).trunc()[:, None, None, None]
    strength = (255 * chroma / high.clamp_min(1e-8) + 1e-3).floor() / 255
    corner = torch.tensor([5.0, 3.0, 1.0], device=images.device).view(3, 1, 1)
    channel = (corner + angle % 256 * (6 / 255)) % 6  # (n, 3, h, w)
    return high - high * strength * torch.minimum(channel, 4 - channel).clamp_(0, 1)


def solarise(images: Tensor) -> Tensor:
    """Invert what is bright (128 of 255 and above)."""
    return torch.where(images < HALF, images, 1 - images)
