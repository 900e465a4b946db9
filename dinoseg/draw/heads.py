"""The figure of attention heads: the photograph, what every head looks at, and their mean."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dinoseg.draw.colours import map_to_rgb, object_colours
from dinoseg.images.fit import resize, to_photo
from dinoseg.types import Fit

TILE = 2.6  # inches, the long side of one picture
TITLE = 0.28  # inches above each picture
GAP = 0.08  # inches
SIDE = 512  # px to which a picture is reduced before it is drawn
GLOW = 0.6  # share of the heat where a photograph lies under it
WIDE = 2.4  # width : height that the figure comes close to


class NotebookFigure(Figure):
    """A matplotlib figure that shows itself in a notebook; pyplot and its global state are left alone."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def heads_figure(
    pixels: NDArray[np.uint8],
    heads: NDArray[np.float32],
    fit: Fit,
    *,
    masks: NDArray[np.bool_] | None = None,
    titles: Sequence[str] | None = None,
    mark: tuple[int, int] | None = None,
    heading: str = "photograph",
) -> NotebookFigure:
    """Photograph, every head and the mean of the heads, side by side in the frame of the photograph.

    ``pixels`` is RGB ``(h, w, 3)`` at any scale, ``heads`` is ``(n, gh, gw)``, not negative, over the padded frame.
    Each map is scaled to its own maximum. The outlines of ``masks`` ``(m, H, W)`` go over photograph and mean;
    ``titles`` name the heads (default: from "head 0", as methods count them), ``heading`` stands over the photograph;
    ``mark`` is a point ``x, y`` px of the upright image, shown on every picture.
    """
    scale = min(1.0, SIDE / max(fit.size))
    small = replace(fit, size=(max(1, round(fit.size[0] * scale)), max(1, round(fit.size[1] * scale))))
    titles = titles or [f"head {number}" for number in range(len(heads))]
    pictures = [(heading, resize(pixels, small.size))]
    pictures += [(title, heat(head, small)) for title, head in zip(titles, heads, strict=True)]
    if len(heads) > 1:
        pictures.append(("mean", heat(heads.mean(axis=0), small)))
    figure, axes = empty_figure(len(pictures), small.size)
    for ax, (title, picture) in zip(axes, pictures, strict=True):
        ax.imshow(picture, interpolation="antialiased")
        ax.set_title(title, fontsize=9, pad=3)
        if mark is not None:
            draw_mark(ax, mark, small.size[0] / fit.size[0], small.size[1] / fit.size[1])
    if masks is not None:
        for ax in {axes[0], axes[-1]}:
            draw_contours(ax, masks, small.size)
    return figure


def attention_overlay(pixels: NDArray[np.uint8], attention: NDArray[np.float32], fit: Fit) -> PIL.Image.Image:
    """The photograph under one map ``(gh, gw)`` in colour; RGB in the frame of ``pixels`` ``(h, w, 3)``."""
    glow = heat(attention, replace(fit, size=pixels.shape[:2])).astype(np.float32)  # (h, w, 3)
    mixed = pixels * np.float32(1 - GLOW) + glow * np.float32(GLOW)
    return PIL.Image.fromarray(np.round(mixed).astype(np.uint8))


def heat(head: NDArray[np.float32], fit: Fit) -> NDArray[np.uint8]:
    """One map ``(gh, gw)`` as colours in the photograph's frame, ``(H, W, 3)``; its maximum is the brightest."""
    peak = float(head.max())
    return map_to_rgb(to_photo(head / peak if peak > 0 else head, fit))


def empty_figure(n: int, size: tuple[int, int]) -> tuple[NotebookFigure, list[Axes]]:
    """A figure with room for ``n`` pictures of ``(H, W)``, and their axes in reading order."""
    height, width = (TILE * side / max(size) for side in size)
    columns = choose_columns(n, width / (height + TITLE))
    rows = math.ceil(n / columns)
    total = (columns * (width + GAP) + GAP, rows * (height + TITLE) + GAP)
    figure = NotebookFigure(figsize=total, dpi=110, facecolor="white")
    axes = []
    for index in range(n):
        left = GAP + index % columns * (width + GAP)
        bottom = total[1] - (index // columns + 1) * (height + TITLE)
        ax = figure.add_axes((left / total[0], bottom / total[1], width / total[0], height / total[1]))
        ax.set_axis_off()
        axes.append(ax)
    return figure, axes


def choose_columns(n: int, aspect: float) -> int:
    """Columns for ``n`` pictures of width : height ``aspect``: near the wanted shape, few empty places."""

    def badness(columns: int) -> float:
        rows = math.ceil(n / columns)
        return abs(math.log(columns * aspect / rows / WIDE)) + (rows * columns - n) / n

    return min(range(1, n + 1), key=badness)


def draw_contours(ax: Axes, masks: NDArray[np.bool_], size: tuple[int, int]) -> None:
    """Outlines of masks ``(m, H, W)`` in the objects' colours, on a picture of ``size``."""
    for mask, colour in zip(masks, object_colours(len(masks)), strict=True):
        soft = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)  # (h, w)
        if 0 < mask.mean() < 1:
            ax.contour(soft, levels=[0.5], colors=[tuple(colour / 255)], linewidths=1.6)


def draw_mark(ax: Axes, point: tuple[int, int], down: float, across: float) -> None:
    """A ring around a point ``x, y``, readable on dark and on bright."""
    x, y = (point[0] + 0.5) * across - 0.5, (point[1] + 0.5) * down - 0.5
    ax.plot(x, y, "o", markersize=9, markerfacecolor="none", markeredgecolor="black", markeredgewidth=3)
    ax.plot(x, y, "o", markersize=9, markerfacecolor="none", markeredgecolor="white", markeredgewidth=1.5)
