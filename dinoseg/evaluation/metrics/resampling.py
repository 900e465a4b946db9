"""How sure a number is: intervals by drawing the units that it is averaged over anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

SEED = 0
"""Of all that is drawn in an evaluation: resamples, random weights, folds, the first of several draws of examples."""
AT_ONCE = 2**21
"""Units that are drawn at a time in a bootstrap: what bounds its memory."""


def bootstrap(
    values: Sequence[float] | NDArray[np.float64], *, level: float = 0.95, resamples: int = 2000, seed: int = SEED
) -> tuple[float, float]:
    """Percentile interval of the mean of ``values`` under resampling with replacement (Efron 1979).

    ``(n,)``; or ``(n, groups)``, NaN where a value is not in a group: then the units are drawn again, and the interval
    is that of the mean over groups of the means within them. A group that a resample does not hold is not in its mean.
    """
    table = np.asarray(values, np.float64).reshape(len(values), -1)  # (n, groups)
    present = (~np.isnan(table)).astype(np.float64)
    table = np.where(present, table, 0)

    def mean(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        sums, counts = drawn @ table, drawn @ present  # (draws, groups)
        return np.nanmean(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan), axis=1)

    low, high = resampled(mean, len(table), level=level, resamples=resamples, seed=seed)
    return float(low), float(high)


def paired_bootstrap(
    first: Sequence[float] | NDArray[np.float64], second: Sequence[float] | NDArray[np.float64]
) -> tuple[float, float]:
    """95 % interval of the mean of ``second - first``, both ``(n,)`` over the same images (or videos) in one order.

    An interval above 0 says that the second is better on pictures like these; the pictures' own difficulty, which two
    separate intervals hold twice, is in neither end. Raises ``ValueError`` for other lengths.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} values cannot be paired with {len(second)}")
    return bootstrap(np.asarray(second, np.float64) - np.asarray(first, np.float64))


def resampled(
    statistic: Callable[[NDArray[np.int64]], ArrayLike],
    units: int,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = SEED,
) -> NDArray[np.float64]:
    """Percentile interval ``(2, ...)`` of any statistic of ``units`` that are drawn with replacement (Efron 1979).

    ``statistic`` takes how often each unit was drawn, ``(draws, units)``, some draws at a time, and gives a value
    ``(draws, ...)`` for each; where it is NaN it is not counted.
    """
    generator = np.random.default_rng(seed)
    values = []
    for start in range(0, resamples, step := max(1, AT_ONCE // units)):
        drawn = generator.integers(units, size=(min(step, resamples - start), units))  # (draws, units)
        values.append(np.asarray(statistic(times_drawn(drawn)), np.float64))
    return np.nanquantile(np.concatenate(values), [(1 - level) / 2, (1 + level) / 2], axis=0)


def reweighted(
    statistic: Callable[[NDArray[np.float64]], float], units: int, *, resamples: int, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of a statistic of weighted ``units``, by the Bayesian bootstrap (Rubin 1981).

    For what falls apart when a unit is not drawn at all: here every weight ``(units,)`` is above 0, 1 on average.
    """
    weights = np.random.default_rng(SEED).exponential(size=(resamples, units))
    low, high = np.quantile([statistic(each) for each in weights], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def times_drawn(drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each unit is in each of the draws, both ``(draws, units)``."""
    draws, units = drawn.shape
    return np.bincount((drawn + units * np.arange(draws)[:, None]).ravel(), minlength=draws * units).reshape(
        draws, units
    )


def one_by_one(
    statistic: Callable[[NDArray[np.int64]], ArrayLike],
) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    """For ``resampled``: a statistic of one draw ``(units,)``, of many."""
    return lambda drawn: np.array([statistic(times) for times in drawn], np.float64)
