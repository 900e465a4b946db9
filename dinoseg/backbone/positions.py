"""What a network has to know of where its patches lie, for a grid of any size. No torch here: exported networks take
these arrays as inputs, so that each family's own rule holds whatever runs them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
CUBIC, ANTIALIASED = -0.75, -0.5
"""The free parameter of the bicubic kernel (Keys 1981), as PyTorch has it without and with antialias."""


def position_inputs(
    rule: str, grid: tuple[int, int], side: int, channels: int, temperature: float
) -> dict[str, Matrix]:
    """What an exported network takes beside its images: ``rope``, or ``rows`` and ``columns``, by its family's rule.

    ``side`` is that of a table of positions, ``channels`` those of a head, ``temperature`` that of rotary positions.
    """
    if rule == "rope":
        return {"rope": rotary_table(channels, grid, temperature)}
    rows, columns = table_matrices(side, grid, rule)
    return {"rows": rows, "columns": columns}


def table_matrices(side: int, grid: tuple[int, int], rule: str) -> tuple[Matrix, Matrix]:
    """How a square table of positions is resized: ``R @ table @ C.T``, R ``(gh, side)`` and C ``(gw, side)``.

    ``rule`` is ``offset`` or ``antialias``: see ``backbone.vit.resize_positions``.
    """
    if grid == (side, side):
        return np.eye(side, dtype=np.float32), np.eye(side, dtype=np.float32)
    rows, columns = (offset(side, n) if rule == "offset" else antialiased(side, n) for n in grid)
    return rows, columns


def offset(side: int, length: int) -> Matrix:
    """Bicubic interpolation of ``side`` entries at the factor ``(length + 0.1) / side``, ``(length, side)``."""
    at = (np.arange(length) + 0.5) * (side / (length + 0.1)) - 0.5
    first = np.floor(at).astype(int) - 1
    matrix = np.zeros((length, side))
    for tap in range(4):
        weight = cubic(at - (first + tap), CUBIC)
        np.add.at(matrix, (np.arange(length), np.clip(first + tap, 0, side - 1)), weight)
    return matrix.astype(np.float32)


def antialiased(side: int, length: int) -> Matrix:
    """Bicubic interpolation of ``side`` entries to ``length``, widened where it shrinks, ``(length, side)``."""
    scale = side / length
    width = max(scale, 1.0)
    centre = (np.arange(length)[:, None] + 0.5) * scale
    entries = np.arange(side)[None]
    inside = (entries >= np.floor(centre - 2 * width + 0.5)) & (entries < np.floor(centre + 2 * width + 0.5))
    weights = np.where(inside, cubic((entries + 0.5 - centre) / width, ANTIALIASED), 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def cubic(distance: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    """The bicubic kernel (Keys 1981, equation 4 with its free parameter)."""
    x = abs(distance)
    near = ((a + 2) * x - (a + 3)) * x**2 + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def rotary_table(channels: int, grid: tuple[int, int], temperature: float) -> Matrix:
    """DINOv3's rotary positions of a grid: sines, then cosines, ``(gh * gw, 2 * channels)`` for heads of so many."""
    periods = np.float32(temperature) ** (np.arange(channels // 4, dtype=np.float32) / np.float32(channels // 4))
    y, x = (2 * (np.arange(n, dtype=np.float32) + 0.5) / n - 1 for n in grid)
    places = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2, 1)  # (N, 2, 1)
    angles = np.tile((2 * math.pi * places / periods).reshape(len(places), -1), 2)  # (N, channels)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)
