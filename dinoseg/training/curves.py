"""Small charts as SVG: lines over epochs, with the floors that they must leave behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TypeAlias

import numpy as np
from matplotlib.ticker import MaxNLocator

Points: TypeAlias = Sequence[tuple[float, float]]
"""Epoch and value."""
WIDTH, HEIGHT = 440, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 28
"""Margins in px; the labels of the axes stand in the left and the lower one."""
COLOURS = ("#2563b8", "#d0561c", "#3d8f4e", "#8a57b8")
"""Of lines and floors, for programs that do not read the page's style."""
FEW = 30
"""Points that are marked one by one."""
MOST = 240
"""Points of a line; more are averaged."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture with lines by name."""

    title: str
    about: str
    """What is drawn, in which unit, and where good is."""
    lines: Mapping[str, Points]
    floors: Mapping[str, float] = field(default_factory=dict)
    """Level lines by name."""

    @property
    def names(self) -> list[str]:
        """Of lines and floors, in the order of their colours."""
        return [*self.lines, *self.floors]

    def svg(self) -> str:
        """The chart as an SVG element; colours are those of the CSS classes ``c0``, ``c1`` ..."""
        thinned = [thin(points) for points in self.lines.values()]
        x_ticks, y_ticks = self.ticks(thinned)
        axes = Axes((min(x_ticks), max(x_ticks)), (min(y_ticks), max(y_ticks)))
        parts = [axes.grid(x_ticks, y_ticks)]
        parts += [axes.line(points, index) for index, points in enumerate(thinned)]
        for index, level in enumerate(self.floors.values(), start=len(thinned)):
            parts.append(axes.line([(x, level) for x in axes.x], index, floor=True))
        view = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-size="11" aria-label="{escape(self.title)}"'
        return f"<svg {view}>{''.join(parts)}</svg>"

    def ticks(self, lines: Iterable[Points]) -> tuple[list[float], list[float]]:
        """Round values along both axes that hold everything."""
        points = [point for line in lines for point in line]
        x, y = [x for x, _ in points] or [0.0], [y for _, y in points] + list(self.floors.values()) or [0.0]
        return round_values(0.0, max(x)), round_values(min(y), max(y))


@dataclass(frozen=True, slots=True)
class Axes:
    """Ranges of x and y, and what lies where in px."""

    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """px from the left and from the top."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def line(self, points: Points, index: int, *, floor: bool = False) -> str:
        """A polyline in the colour of that number, dashed for a floor; with dots where points are few."""
        places = [self.place(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dots = (
            ""
            if floor or len(places) > FEW
            else "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in places)
        )
        colour = COLOURS[index % len(COLOURS)]
        style = f'class="c{index}{" floor" if floor else ""}" fill="{colour}"'
        return f'<g {style}><polyline points="{path}" fill="none" stroke="{colour}"/>{dots}</g>'

    def grid(self, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> str:
        """Level lines and the numbers of both axes."""
        left, right = LEFT, WIDTH - RIGHT
        parts = []
        for y in y_ticks:
            height = self.place(self.x[0], y)[1]
            parts.append(f'<line x1="{left}" x2="{right}" y1="{height:.1f}" y2="{height:.1f}" stroke="#ddd"/>')
            parts.append(f'<text x="{left - 6}" y="{height + 4:.1f}" text-anchor="end">{y:.4g}</text>')
        for x in x_ticks:
            across = self.place(x, self.y[0])[0]
            parts.append(f'<text x="{across:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{x:.4g}</text>')
        return f'<g class="grid">{"".join(parts)}</g>'


def round_values(low: float, high: float) -> list[float]:
    """A few round numbers, the first at most ``low``, the last at least ``high``, never all the same."""
    if high - low < 1e-12:
        low, high = low - 0.5 * abs(low or 1.0), high + 0.5 * abs(high or 1.0)
    return [float(value) for value in MaxNLocator(4).tick_values(low, high)]


def thin(points: Points) -> list[tuple[float, float]]:
    """At most ``MOST`` points, each the mean of its neighbours; values that are no numbers are left out."""
    finite = [point for point in points if np.isfinite(point[1])]
    groups = np.array_split(np.array(finite).reshape(-1, 2), min(MOST, max(1, len(finite))))
    return [(float(x), float(y)) for x, y in (group.mean(axis=0) for group in groups if len(group))]
