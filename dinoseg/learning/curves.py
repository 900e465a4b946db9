"""Values that change from step to step, as functions of the step alone: a resumed run needs no history."""

from __future__ import annotations

import math


def ramp(first: float, last: float, index: int, count: int) -> float:
    """Value ``index`` of ``count`` evenly spaced ones, both ends included."""
    return first + (last - first) * index / max(count - 1, 1)


def cosine(first: float, last: float, index: float, count: float) -> float:
    """Value ``index`` of half a cosine over ``count``; ``last`` would be number ``count``, so it is never reached."""
    return last + 0.5 * (first - last) * (1 + math.cos(math.pi * index / count))
