"""How EXIF turns a picture upright, for pixels, masks and boxes alike."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Pixels = TypeVar("Pixels", bound=np.generic)


class Turn(NamedTuple):
    """First the sides are swapped (x becomes y), then the picture is mirrored."""

    swap: bool
    flip_x: bool
    flip_y: bool

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width ``(H, W)`` px of a picture after the turn."""
        return size[::-1] if self.swap else size

    def array(self, values: NDArray[Pixels]) -> NDArray[Pixels]:
        """``(H, W, ...)`` after it."""
        turned = values.swapaxes(0, 1) if self.swap else values
        return np.ascontiguousarray(turned[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1])

    def boxes(self, boxes: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float64]:
        """``(n, 4)`` of ``x0, y0, x1, y1`` after it, in a picture that was ``(H, W)``."""
        x0, y0, x1, y1 = np.asarray(boxes, np.float64).reshape(-1, 4).T
        height, width = self.size(size)
        if self.swap:
            x0, y0, x1, y1 = y0, x0, y1, x1
        if self.flip_x:
            x0, x1 = width - x1, width - x0
        if self.flip_y:
            y0, y1 = height - y1, height - y0
        return np.stack([x0, y0, x1, y1], axis=1)  # (n, 4)


TURNS = {
    2: Turn(swap=False, flip_x=True, flip_y=False),
    3: Turn(swap=False, flip_x=True, flip_y=True),
    4: Turn(swap=False, flip_x=False, flip_y=True),
    5: Turn(swap=True, flip_x=False, flip_y=False),
    6: Turn(swap=True, flip_x=True, flip_y=False),
    7: Turn(swap=True, flip_x=True, flip_y=True),
    8: Turn(swap=True, flip_x=False, flip_y=True),
}
"""By EXIF orientation; 1 is upright."""
