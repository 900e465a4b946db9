"""The figure of attention heads: the photograph, what every head looks at, and their mean."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dinoseg.draw.colours import map_to_rgb
from dinoseg.images.fit import resize, to_photo
from dinoseg.options import FIGURE_DPI
from dinoseg.types import Fit

TILE = 2.6  # inches, the long side of one picture
TITLE = 0.28  # inches above each picture
GAP = 0.08  # inches
SIDE = 512  # px to which a picture is reduced before it is drawn, if its place has no more
FOOT = 0.19  # inches, a line below the pictures
LETTERS = 17  # of such a line in an inch
LETTER = 0.58  # of its height, the width of a letter
BAR = 0.8  # inches, the colour bar
SHARES = "from 0 to the number in each title: share of the attention on one patch"
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
    mask: NDArray[np.bool_] | None = None,
    titles: Sequence[str] | None = None,
    mark: tuple[int, int] | None = None,
    heading: str = "photograph",
    note: str = "",
    dpi: int = FIGURE_DPI,
) -> NotebookFigure:
    """Photograph, every head and the mean of the heads, side by side in the frame of the photograph.

    ``pixels`` is RGB ``(h, w, 3)`` at any scale, ``heads`` is ``(n, gh, gw)``, not negative, over the padded frame.
    Each map is scaled to its own maximum, which its title names in percent; a colour bar lies below. The outline of
    ``mask`` ``(H, W)`` goes over photograph and mean, ``note`` says what it is; ``titles`` name the heads (default:
    from "head 0", as methods count them), ``heading`` stands over the photograph; ``mark`` is a point ``x, y`` px of
    the upright image, shown on every picture.
    """
    scale = min(1.0, max(SIDE, TILE * dpi) / max(fit.size))
    small = replace(fit, size=(max(1, round(fit.size[0] * scale)), max(1, round(fit.size[1] * scale))))
    titles = titles or [f"head {number}" for number in range(len(heads))]
    maps = [*zip(titles, heads, strict=True), *([("mean", heads.mean(axis=0))] if len(heads) > 1 else [])]
    pictures = [(heading, resize(pixels, small.size))]
    pictures += [(f"{title}, up to {100 * float(map_.max()):.2g} %", heat(map_, small)) for title, map_ in maps]
    figure, axes = empty_figure(len(pictures), small.size, SHARES, note, dpi)
    for ax, (title, picture) in zip(axes, pictures, strict=True):
        ax.imshow(picture, interpolation="antialiased")
        ax.set_title(title, fontsize=title_size(title, small.size), pad=3)
        if mark is not None:
            draw_mark(ax, mark, small.size[0] / fit.size[0], small.size[1] / fit.size[1])
    if mask is not None:
        for ax in {axes[0], axes[-1]}:
            draw_contour(ax, mask, small.size)
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


def title_size(title: str, size: tuple[int, int]) -> float:
    """Points of letters with which a title is no wider than its picture of ``(H, W)``: 9, less over a narrow one."""
    width = 72 * TILE * size[1] / max(size)
    return min(9.0, max(4.0, width / (LETTER * max(len(title), 1))))


def empty_figure(n: int, size: tuple[int, int], scale: str, note: str, dpi: int) -> tuple[NotebookFigure, list[Axes]]:
    """A figure with room for ``n`` pictures of ``(H, W)``, and their axes in reading order; below, what is shown: the
    ``scale`` of the colours, and a ``note``."""
    height, width = (TILE * side / max(size) for side in size)
    columns = choose_columns(n, width / (height + TITLE))
    rows = math.ceil(n / columns)
    across = columns * (width + GAP) + GAP
    lines = foot_lines(scale, note, across)
    total = (across, rows * (height + TITLE) + 2 * GAP + len(lines) * FOOT)
    figure = NotebookFigure(figsize=total, dpi=dpi, facecolor="white")
    axes = []
    for index in range(n):
        left = GAP + index % columns * (width + GAP)
        bottom = total[1] - (index // columns + 1) * (height + TITLE)
        ax = figure.add_axes((left / total[0], bottom / total[1], width / total[0], height / total[1]))
        ax.set_axis_off()
        axes.append(ax)
    draw_foot(figure, lines)
    return figure, axes


def foot_lines(scale: str, note: str, width: float) -> list[str]:
    """What stands below the pictures, in lines of ``width`` inches; the first one leaves room for the bar."""
    room = int(LETTERS * (width - 2 * GAP))
    lines = textwrap.wrap(scale, room, initial_indent="_" * int(LETTERS * (BAR + GAP)))
    return [lines[0].lstrip("_"), *lines[1:], *textwrap.wrap(note, room)]


def draw_foot(figure: NotebookFigure, lines: Sequence[str]) -> None:
    """The colour bar and what is shown, from the lower left corner."""
    width, height = figure.get_size_inches()
    for index, line in enumerate(reversed(lines)):
        first = index == len(lines) - 1
        left, bottom = GAP + (BAR + GAP if first else 0), GAP + (index + 0.5) * FOOT
        figure.text(left / width, bottom / height, line, fontsize=7.5, va="center")
    bottom = GAP + (len(lines) - 0.8) * FOOT
    bar = figure.add_axes((GAP / width, bottom / height, BAR / width, 0.6 * FOOT / height), label="scale")
    bar.imshow(map_to_rgb(np.linspace(0, 1, 256)[None]), aspect="auto")
    bar.set_axis_off()


def choose_columns(n: int, aspect: float) -> int:
    """Columns for ``n`` pictures of width : height ``aspect``: near the wanted shape, few empty places."""

    def badness(columns: int) -> float:
        rows = math.ceil(n / columns)
        return abs(math.log(columns * aspect / rows / WIDE)) + (rows * columns - n) / n

    return min(range(1, n + 1), key=badness)


def draw_contour(ax: Axes, mask: NDArray[np.bool_], size: tuple[int, int]) -> None:
    """Outline of a mask ``(H, W)`` on a picture of ``size``, white in black: readable on any picture."""
    soft = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)  # (h, w)
    if 0 < mask.mean() < 1:
        ax.contour(soft, levels=[0.5], colors="black", linewidths=2.4)
        ax.contour(soft, levels=[0.5], colors="white", linewidths=1.0)


def draw_mark(ax: Axes, point: tuple[int, int], down: float, across: float) -> None:
    """A ring around a point ``x, y``, readable on dark and on bright."""
    x, y = (point[0] + 0.5) * across - 0.5, (point[1] + 0.5) * down - 0.5
    ax.plot(x, y, "o", markersize=9, markerfacecolor="none", markeredgecolor="black", markeredgewidth=3)
    ax.plot(x, y, "o", markersize=9, markerfacecolor="none", markeredgecolor="white", markeredgewidth=1.5)
