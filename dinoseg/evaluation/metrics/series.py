"""What DAVIS says of values that follow each other in time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class SeriesStatistics(NamedTuple):
    """DAVIS statistics of one object or sequence over its frames."""

    mean: float
    recall: float
    """Share of frames above 0.5; a NaN is a miss."""
    decay: float
    """Mean of the first quarter of the frames minus mean of the last."""


def series_statistics(values: Sequence[float] | NDArray[np.float64]) -> SeriesStatistics:
    """Mean, recall and decay of values in frame order; NaN frames are left out of the means.

    The limits of the quarters are the DAVIS toolkit's, but not its 8-bit indices, which wrap from 256 frames on.
    """
    series = np.asarray(values, np.float64)  # (frames,)
    limits = np.round(np.linspace(1, len(series), 5) + 1e-10).astype(int) - 1
    first, last = series[: limits[1] + 1], series[limits[3] :]
    return SeriesStatistics(known_mean(series), float(np.mean(series > 0.5)), known_mean(first) - known_mean(last))


def known_mean(values: NDArray[np.float64]) -> float:
    """Of what is not NaN; NaN where nothing is left."""
    numbers = values[~np.isnan(values)]
    return float(numbers.mean()) if len(numbers) else math.nan
