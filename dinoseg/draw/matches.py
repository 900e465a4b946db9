"""Two photographs side by side, with lines between what belongs together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageDraw

from dinoseg.draw.colours import object_colours
from dinoseg.draw.contact import PAPER
from dinoseg.draw.overlay import DIM
from dinoseg.images.fit import resize
from dinoseg.types import Photo

HEIGHT = 600  # px of both photographs
GAP = 12  # px between them
DOT = 6  # px, the radius of an end
LINE = 3  # px
Point = tuple[int, int]


def draw_matches(
    photos: Sequence[Photo], masks: Sequence[NDArray[np.bool_]], pairs: Sequence[tuple[Point, Point]]
) -> PIL.Image.Image:
    """Both photographs at one height, what is not in their masks ``(H, W)`` dimmed, and each pair in its own colour.

    Pairs are ``((x, y), (x, y))`` px of the upright originals.
    """
    pictures = [dimmed(photo, mask) for photo, mask in zip(photos, masks, strict=True)]
    left = pictures[0].width + GAP
    page = PIL.Image.new("RGB", (left + pictures[1].width, HEIGHT), PAPER)
    page.paste(pictures[0], (0, 0))
    page.paste(pictures[1], (left, 0))
    draw = ImageDraw.Draw(page)
    scales = [HEIGHT / photo.size[0] for photo in photos]
    for ends, colour in zip(pairs, object_colours(len(pairs)), strict=True):
        ink = tuple(map(int, colour))
        points = [((x + 0.5) * scale, (y + 0.5) * scale) for (x, y), scale in zip(ends, scales, strict=True)]
        points[1] = points[1][0] + left, points[1][1]
        draw.line(points, ink, LINE)
        for x, y in points:
            draw.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), ink, "white", 2)
    return page


def dimmed(photo: Photo, mask: NDArray[np.bool_]) -> PIL.Image.Image:
    """The photograph, ``HEIGHT`` px high, darker outside of the mask."""
    size = HEIGHT, max(1, round(HEIGHT * photo.size[1] / photo.size[0]))
    pixels = resize(photo.pixels, size)
    inside = resize(mask.astype(np.uint8) * np.uint8(255), size)[..., None] > 127
    return PIL.Image.fromarray(np.where(inside, pixels, np.round(pixels * DIM).astype(np.uint8)))
