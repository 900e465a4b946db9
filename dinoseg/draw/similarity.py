"""The figure of a map of similarity: an example, the photograph, and how like its patches are to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dinoseg.draw.colours import map_to_rgb
from dinoseg.draw.heads import SIDE, TILE, NotebookFigure, draw_mark, empty_figure, title_size
from dinoseg.images.fit import resize, to_photo
from dinoseg.types import Fit, Photo

COSINES = "from 0 to 1: cosine of each patch to the one in the ring"


def similarity_figure(
    photo: Photo, map_: NDArray[np.float32], fit: Fit, example: Photo, point: tuple[int, int], dpi: int
) -> NotebookFigure:
    """The example with a ring around ``point``, ``(x, y)`` px of its original, the photograph where it is another one,
    and its map ``(gh, gw)`` of cosines over the padded frame; what is below 0 is as dark as 0."""
    own = example is photo
    shown = [example] if own else [example, photo]
    pictures = [(each.id, shrunk(each, dpi)) for each in shown]
    small = replace(fit, size=pictures[-1][1].shape[:2])
    best = f"up to {float(map_.max()):.2f}"
    pictures.append((best, map_to_rgb(to_photo(map_, small))))
    figure, axes = empty_figure(len(pictures), small.size, COSINES, "", dpi)
    for ax, (title, picture) in zip(axes, pictures, strict=True):
        ax.imshow(picture, interpolation="antialiased")
        ax.set_title(title, fontsize=title_size(title, small.size), pad=3)
    for ax, (_, picture) in zip(axes, pictures, strict=True):
        if own or ax is axes[0]:
            draw_mark(ax, point, picture.shape[0] / example.size[0], picture.shape[1] / example.size[1])
    return figure


def shrunk(photo: Photo, dpi: int) -> NDArray[np.uint8]:
    """The photograph as large as its place in a figure, ``(h, w, 3)``."""
    scale = min(1.0, max(SIDE, TILE * dpi) / max(photo.size))
    height, width = (max(1, round(side * scale)) for side in photo.size)
    return resize(photo.pixels, (height, width))
