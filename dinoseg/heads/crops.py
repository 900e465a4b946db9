"""Crops of photographs whose object the frame cuts off; its mask is known, for the whole photograph shows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinoseg.methods.grid import border_of

AREA = (0.16, 0.64)
"""Of the crop, as a share of the photograph."""
ASPECT = (3 / 4, 4 / 3)
"""Of the crop, against the photograph's own."""
CONTACT = (0.08, 0.7)
"""Share of the crop's border that the object covers."""
OBJECT = (0.05, 0.8)
"""Share of the crop that it covers."""
WHOLE = 0.15
"""Share of the photograph's own border up to which its object is thought to be whole."""
SMALLEST = 64
"""Shortest side of a crop in px."""
TRIES = 200


def cut_off(mask: NDArray[np.bool_], generator: np.random.Generator) -> tuple[slice, slice] | None:
    """Rows and columns of a random crop that cuts the object of ``mask`` ``(H, W)`` off.

    None where the object is cut off in the photograph already, or no crop was found.
    """
    if mask[border_of(mask.shape)].mean() > WHOLE:
        return None
    for _ in range(TRIES):
        area, aspect = generator.uniform(*AREA), np.exp(generator.uniform(*np.log(ASPECT)))
        shape = [round(mask.shape[0] * np.sqrt(area / aspect)), round(mask.shape[1] * np.sqrt(area * aspect))]
        if min(shape) < SMALLEST or shape[0] > mask.shape[0] or shape[1] > mask.shape[1]:
            continue
        first = [int(generator.integers(whole - part + 1)) for whole, part in zip(mask.shape, shape, strict=True)]
        box = slice(first[0], first[0] + shape[0]), slice(first[1], first[1] + shape[1])
        inside = mask[box]
        contact = inside[border_of(inside.shape)].mean()
        if CONTACT[0] <= contact <= CONTACT[1] and OBJECT[0] <= inside.mean() <= OBJECT[1]:
            return box
    return None
