"""Multi-crop: two large and several small views of every photograph of a batch, made on the device in one go.

Every random number is drawn on the CPU from one generator before anything is computed, so that a step's views depend
on its generator alone and the device never waits to be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from dinoseg.options import TrainOptions
from dinoseg.training import operations

TRIES = 10
IN_CACHE = 2**17
"""Numbers that a CPU works on at once; more of them, and every operation waits for memory."""
RATIO = (3 / 4, 4 / 3)
FLIP, JITTER, GREY = 0.5, 0.8, 0.2
SIGMA = (0.1, 2.0)
"""px of the crop."""
JITTERS: tuple[tuple[Callable[[Tensor, Tensor], Tensor], float, float], ...] = (
    (operations.brightness, 0.6, 1.4),
    (operations.contrast, 0.6, 1.4),
    (operations.saturation, 0.8, 1.2),
    (operations.hue, -0.1, 0.1),
)


@dataclass(frozen=True, slots=True)
class View:
    """How crops of one kind are drawn: share of the area, blur, solarisation."""

    area: tuple[float, float]
    """Share of the photograph's area."""
    blur: float
    """Probability of a blur."""
    solarise: float = 0.0
    """Probability of solarisation."""


GLOBALS = (View((0.4, 1.0), blur=1.0), View((0.4, 1.0), blur=0.1, solarise=0.2))
LOCAL = View((0.05, 0.4), blur=0.5)
ALONE = (0.14, 1.0)
"""Area of the global views where there are no local ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """What chance decided for ``n = V * B`` crops, views first. All on the CPU."""

    boxes: Tensor
    """``(n, 4)``: top, left, height, width in px."""
    flip: Tensor
    order: Tensor
    """``(n, 4)``: which of ``JITTERS`` comes when; -1 throughout where there is none."""
    factors: Tensor
    """``(n, 4)``: strength of each of ``JITTERS``."""
    grey: Tensor
    blurred: Tensor
    sigma: Tensor
    solarised: Tensor

    def of(self, photographs: slice, batch: int) -> Draw:
        """What was decided for some of the ``batch`` photographs."""
        parts = (getattr(self, field.name) for field in fields(self))
        return Draw(*(part.unflatten(0, (len(part) // batch, batch))[:, photographs].flatten(0, 1) for part in parts))


def draw_views(sizes: Tensor, options: TrainOptions, generator: torch.Generator) -> tuple[Draw, Draw]:
    """Global and local views of photographs of ``sizes`` ``(B, 2)``."""
    large = GLOBALS if options.local_crops else tuple(replace(view, area=ALONE) for view in GLOBALS)
    return draw(large, sizes, generator), draw((LOCAL,) * options.local_crops, sizes, generator)


def multi_crop(pixels: Tensor, drawn: tuple[Draw, Draw], options: TrainOptions) -> tuple[Tensor, Tensor]:
    """Global ``(2, B, 3, g, g)`` and local ``(L, B, 3, l, l)`` views, float 0..1.

    ``pixels`` is uint8 ``(B, 3, H, W)``, each photograph in the top left corner.
    """
    large, small = drawn
    return make_views(pixels, large, options.global_size), make_views(pixels, small, options.local_size)


def make_views(pixels: Tensor, drawn: Draw, size: int) -> Tensor:
    """The drawn views of photographs ``(B, 3, H, W)``: ``(V, B, 3, size, size)``, steps in the published order."""
    shape = (len(drawn.flip) // len(pixels), len(pixels))  # (V, B)
    boxes, flip = drawn.boxes.unflatten(0, shape), drawn.flip.unflatten(0, shape)  # (V, B, 4), (V, B)
    crops = operations.crop_resize(pixels, boxes, size, flip).flatten(0, 1)  # (n, 3, size, size)
    factors = operations.sent(drawn.factors, crops.device).unbind(1)
    for turn in drawn.order.unbind(1):
        for index, (jitter, _, _) in enumerate(JITTERS):
            change(crops, turn == index, jitter, factors[index])
    change(crops, drawn.grey, operations.to_grey)
    weights = operations.sent(operations.box_weights(drawn.sigma, SIGMA[1]), crops.device)  # (n, reach + 1)
    change(crops, drawn.blurred, operations.blur, weights)
    change(crops, drawn.solarised, operations.solarise)
    return crops.unflatten(0, shape)


def change(crops: Tensor, chosen: Tensor, operation: Callable[..., Tensor], *parameters: Tensor) -> None:
    """Apply an operation in place to the crops ``chosen`` (on the CPU), each with its own parameters ``(n, ...)``."""
    at_once = max(1, IN_CACHE // crops.shape[1:].numel()) if crops.device.type == "cpu" else len(crops)
    for index in chosen.nonzero().squeeze(1).split(at_once):
        there = operations.sent(index, crops.device)
        crops[there] = operation(crops[there], *(parameter[there] for parameter in parameters))


def draw(views: Sequence[View], sizes: Tensor, generator: torch.Generator) -> Draw:
    """Decide everything for each of ``views`` of photographs of ``sizes`` ``(B, 2)``."""
    batch = len(sizes)
    n = len(views) * batch

    def uniform(low: float = 0.0, high: float = 1.0, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=generator)

    def of_view(values: Sequence[float]) -> Tensor:
        return torch.tensor(values).repeat_interleave(batch)  # (n,)

    area = torch.stack([of_view([view.area[end] for view in views]) for end in (0, 1)], dim=1)  # (n, 2)
    order = uniform(0, 1, len(JITTERS)).argsort(1)
    return Draw(
        boxes=draw_boxes(sizes.repeat(len(views), 1), area, generator),
        flip=uniform() < FLIP,
        order=torch.where(uniform(0, 1, 1) < JITTER, order, -1),
        factors=torch.stack([uniform(low, high) for _, low, high in JITTERS], dim=1),
        grey=uniform() < GREY,
        blurred=uniform() < of_view([view.blur for view in views]),
        sigma=uniform(*SIGMA),
        solarised=uniform() < of_view([view.solarise for view in views]),
    )


def draw_boxes(sizes: Tensor, area: Tensor, generator: torch.Generator) -> Tensor:
    """Random resized crops ``(n, 4)`` (top, left, height, width; whole px) of photographs of ``sizes`` ``(n, 2)``.

    Area uniform within ``area`` ``(n, 2)``, aspect log-uniform; the first of ten tries that fits, else the largest
    central box of legal aspect.
    """
    n = len(sizes)
    height, width = sizes[:, :1], sizes[:, 1:]  # (n, 1) each
    share = area[:, :1] + (area[:, 1:] - area[:, :1]) * torch.rand(n, TRIES, generator=generator)
    low, high = torch.tensor(RATIO).log()
    ratio = (low + (high - low) * torch.rand(n, TRIES, generator=generator)).exp()
    pixels = share * height * width
    w, h = (pixels * ratio).sqrt().round().long(), (pixels / ratio).sqrt().round().long()  # (n, TRIES)
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    first = fits.int().argmax(1, keepdim=True)
    any_fits = fits.any(1, keepdim=True)
    box_height = torch.where(any_fits, h.gather(1, first), torch.minimum(height, (width / RATIO[0]).round().long()))
    box_width = torch.where(any_fits, w.gather(1, first), torch.minimum(width, (height * RATIO[1]).round().long()))
    room = torch.cat([height - box_height, width - box_width], dim=1)  # (n, 2)
    corner = (torch.rand(n, 2, generator=generator) * (room + 1)).long()
    corner = torch.where(any_fits, corner, room // 2)
    return torch.cat([corner, box_height, box_width], dim=1)
