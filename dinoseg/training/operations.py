"""Image operations on whole batches, one set of parameters per image, equal to Pillow's within a grey level.

Images are float ``(n, 3, h, w)``, 0..1; photographs that crops are taken from are uint8.
"""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
HALF = 128 / 255
BOX_PASSES = 3


def crop_resize(pixels: Tensor, boxes: Tensor, size: int, flip: Tensor) -> Tensor:
    """Crops ``(V, B, 3, size, size)``, float 0..1, bicubic and antialiased, from photographs uint8 ``(B, 3, H, W)``.

    ``boxes`` is ``(V, B, 4)``: top, left, height, width in px; ``flip`` is ``(V, B)`` bool: mirror left and right.
    Both are on the CPU. A CPU is fastest crop by crop, another device with all of them at once.
    """
    return (crop_each if pixels.device.type == "cpu" else crop_at_once)(pixels, boxes, size, flip)


def crop_each(pixels: Tensor, boxes: Tensor, size: int, flip: Tensor) -> Tensor:
    """``crop_resize`` by PyTorch's own 8-bit kernel, which is Pillow's."""
    crops = torch.empty(*flip.shape, 3, size, size)
    for v, b in product(*map(range, flip.shape)):
        top, left, height, width = boxes[v, b].tolist()
        box = pixels[b, None, :, top : top + height, left : left + width]
        crop = F.interpolate(box, (size, size), mode="bicubic", antialias=True)[0]
        crops[v, b] = crop.flip(-1) if flip[v, b] else crop
    return crops.div_(255)


def crop_at_once(pixels: Tensor, boxes: Tensor, size: int, flip: Tensor) -> Tensor:
    """``crop_resize`` as two batched products, with a matrix per crop and side."""
    images, flip = pixels.float().div_(255), sent(flip, pixels.device)
    top, left, height, width = sent(boxes, pixels.device).unbind(-1)  # each (V, B)
    rows = resize_weights(top, height, size, images.shape[-2])  # (V, B, size, H)
    columns = resize_weights(left, width, size, images.shape[-1])  # (V, B, size, W)
    columns = torch.where(flip[..., None, None], columns.flip(-2), columns)
    wide = torch.einsum("bchw,vbxw->bchvx", images, columns).clamp_(0, 1)  # Pillow clips between its two passes too
    return torch.einsum("vbyh,bchvx->vbcyx", rows, wide).clamp_(0, 1)


def sent(values: Tensor, device: torch.device) -> Tensor:
    """What lies on the CPU on a device; a GPU gets it from locked memory, so that nobody waits for its other work."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


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


def blur(images: Tensor, box: Tensor) -> Tensor:
    """Gaussian blur as Pillow makes it: ``BOX_PASSES`` filters ``box`` (``box_weights``) a side, rounded each.

    A CPU is fastest pixel by pixel, another device with a matrix per image and side.
    """
    return (blur_by_shifts if images.device.type == "cpu" else blur_by_products)(images, box)


def blur_by_shifts(images: Tensor, box: Tensor) -> Tensor:
    """``blur`` as sums of shifted images."""
    for dim in (-1, -2):
        for _ in range(BOX_PASSES):
            images = to_levels(box_filter(images, box[..., None, None, None], dim))
    return images


def blur_by_products(images: Tensor, box: Tensor) -> Tensor:
    """``blur`` as batched products, which read and write the images a quarter as often."""
    rows, columns = (box_matrix(box, side)[:, None] for side in images.shape[-2:])  # (n, 1, side, side) each
    for _ in range(BOX_PASSES):
        images = to_levels(images @ columns.mT)
    for _ in range(BOX_PASSES):
        images = to_levels(rows @ images)
    return images


def box_matrix(box: Tensor, size: int) -> Tensor:
    """One filter along a line of ``size`` pixels as a matrix, ``(n, size, size)``; borders as in ``box_filter``."""
    reach = box.shape[1] - 1
    away = torch.arange(-reach, reach + 1, device=box.device)  # (2 reach + 1,)
    pixel = torch.arange(size, device=box.device)
    source = (pixel + away[:, None]).clamp(0, size - 1)  # (2 reach + 1, size)
    return torch.einsum("na,ayx->nyx", box[:, away.abs()], (source[..., None] == pixel).to(box))


def box_filter(images: Tensor, box: Tensor, dim: int) -> Tensor:
    """One filter ``(n, reach + 1, 1, 1, 1)`` along ``dim``; what lies beyond a border is as the pixel there."""
    reach, length = box.shape[1] - 1, images.shape[dim]
    pad = (reach, reach, 0, 0) if dim == -1 else (0, 0, reach, reach)
    padded = F.pad(images, pad, mode="replicate")
    total = images * box[:, 0]
    for away in range(1, reach + 1):
        before, after = (padded.narrow(dim, reach + side, length) for side in (-away, away))
        total += (before + after).mul_(box[:, away])
    return total


def to_levels(images: Tensor) -> Tensor:
    """Round to the 256 grey levels; halves go down, because Pillow's fixed-point weights fall short of 1 by a hair."""
    return images.mul(255).sub_(1e-3).round_().div_(255)


def box_weights(sigma: Tensor, largest: float) -> Tensor:
    """Weights at distance 0, 1 ... px of one pass of the extended box filter (Gwosdek et al. 2011), ``(n, reach + 1)``.

    A box of real radius r covers the pixels within floor(r) and a share of the next one; ``BOX_PASSES`` of them have
    deviation ``sigma`` ``(n,)`` px, at most ``largest``.
    """
    reach = int(box_radius(torch.tensor(largest))) + 1
    radius = box_radius(sigma)[:, None]  # (n, 1)
    return (radius + 1 - torch.arange(reach + 1, device=sigma.device)).clamp(0, 1) / (2 * radius + 1)


def box_radius(sigma: Tensor) -> Tensor:
    """Radius of the box, px."""
    variance = sigma**2 / BOX_PASSES
    whole = ((12 * variance + 1).sqrt() / 2 - 0.5).floor()
    share = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance) / (6 * (variance - (whole + 1) ** 2))
    return whole + share


def grey(images: Tensor) -> Tensor:
    """Luma ``(n, 1, h, w)``."""
    red, green, blue = images.split(1, dim=1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


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
    high = images.amax(1, keepdim=True)  # (n, 1, h, w)
    chroma = high - images.amin(1, keepdim=True)
    red, green, blue = (images / chroma.clamp_min(1e-8)).split(1, dim=1)
    is_red, is_green, _ = (images == high).split(1, dim=1)
    sixth = torch.where(is_red, green - blue, torch.where(is_green, blue - red + 2, red - green + 4))
    angle = (255 * wrapped(sixth / 6, 1)).floor() + (255 * shift).trunc()[:, None, None, None]
    strength = (255 * chroma / high.clamp_min(1e-8) + 1e-3).floor() / 255
    corner = torch.arange(5, 0, -2, device=images.device).view(3, 1, 1)  # made there: nothing waits
    channel = wrapped(corner + wrapped(angle, 256) * (6 / 255), 6)  # (n, 3, h, w)
    return high - high * strength * torch.minimum(channel, 4 - channel).clamp_(0, 1)


def wrapped(x: Tensor, period: float) -> Tensor:
    """Remainder by a power of two or 6, several times as fast as ``%``."""
    return x - period * (x / period).floor()


def solarise(images: Tensor) -> Tensor:
    """Invert what is bright (128 of 255 and above)."""
    return torch.where(images < HALF, images, 1 - images)
