"""Numbers from masks. IoU and Jaccard are one thing; all values are 0..1."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Mask = NDArray[np.bool_]
Boxes = NDArray[np.float64]
"""``(n, 4)``: x0, y0, x1, y1 px, half open."""
SEED = 0
"""Of all that is drawn in an evaluation: resamples, random weights, folds, the first of several draws of examples."""
FAR = 100_000
"""px: no picture reaches so far. The area of a box of that side is the largest that pycocotools counts."""
AT_ONCE = 2**21
"""Units that are drawn at a time in a bootstrap: what bounds its memory."""


def jaccard(predicted: Mask, truth: Mask, void: Mask | None = None) -> float:
    """Intersection over union of two ``(H, W)`` masks; ``void`` pixels are left out of both sums.

    Both empty is 1, as DAVIS has it (Perazzi et al. 2016): there was nothing, and nothing was found.
    """
    predicted, truth = without(void, predicted, truth)
    union = np.count_nonzero(predicted | truth)
    return np.count_nonzero(predicted & truth) / union if union else 1.0


def boundary_f(predicted: Mask, truth: Mask, void: Mask | None = None) -> float:
    """DAVIS contour accuracy F of two ``(H, W)`` masks (Perazzi et al. 2016, section 4).

    A contour pixel counts as matched within ceil(0.008 * image diagonal) px of the other contour. Both contours empty
    is 1, one of them empty is 0. ``void`` is taken out of both masks before their contours are drawn.
    """
    radius = math.ceil(0.008 * math.hypot(*truth.shape))
    predicted, truth = without(void, predicted, truth)
    window = joint_window(predicted, truth)
    found, wanted = contour(predicted[window]), contour(truth[window])
    if not found.any() or not wanted.any():
        return float(found.any() == wanted.any())
    precision = np.count_nonzero(found & dilate(wanted, radius)) / np.count_nonzero(found)
    recall = np.count_nonzero(wanted & dilate(found, radius)) / np.count_nonzero(wanted)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def without(void: Mask | None, predicted: Mask, truth: Mask) -> tuple[Mask, Mask]:
    """Both masks with the void pixels taken out."""
    if predicted.shape != truth.shape or (void is not None and void.shape != truth.shape):
        raise ValueError(f"masks of different sizes: {predicted.shape} and {truth.shape}")
    return (predicted, truth) if void is None else (predicted & ~void, truth & ~void)


def joint_window(first: Mask, second: Mask) -> tuple[slice, slice]:
    """Rows and columns that hold all of both masks and one pixel around: no contour lies elsewhere."""
    both = first | second
    x, y, width, height = cv2.boundingRect(both.view(np.uint8))
    return slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1)


def contour(mask: Mask) -> Mask:
    """Pixels that differ from their right, lower or lower-right neighbour; the image border makes no contour."""
    found = np.zeros_like(mask)
    found[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    found[:-1] |= mask[:-1] ^ mask[1:]
    found[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return found


def dilate(mask: Mask, radius: int) -> Mask:
    """Dilated with the disk of ``radius`` px, the pixels with ``dx^2 + dy^2 <= radius^2``.

    Row by row of the disk, from its ends to its middle: pixels grow wider step by step, each time from what there is,
    and are laid over each other. That takes an operation for every row of the disk, not for every pixel of it, and each
    is of 64 pixels at a time: the rows of the mask lie ``radius`` px or more apart in one line of bits.
    """
    height, width = mask.shape
    words = -(-(width + radius) // 64)
    framed = np.zeros((height + 2 * radius, 64 * words), bool)
    framed[radius : radius + height, :width] = mask
    wide = np.packbits(framed, bitorder="little").view("<u8")  # (rows * words,)
    grown, reach = np.zeros(height * words, "<u8"), 0
    for y in range(radius, -1, -1):
        while reach < (needed := math.isqrt(radius**2 - y**2)):
            step = min(2 * reach + 1, needed - reach, 63)  # farther would leave gaps
            wide, reach = widened(wide, step), reach + step
        for top in {radius - y, radius + y}:
            grown |= wide[top * words : (top + height) * words]
    rows = grown.view(np.uint8).reshape(height, -1)
    return np.unpackbits(rows, axis=1, count=width, bitorder="little").view(np.bool_)


def widened(line: NDArray[np.uint64], step: int) -> NDArray[np.uint64]:
    """Bits, and those ``step`` (1..63) before and after each, in a line of 64-bit words, the lowest bit first."""
    by, rest = np.uint64(step), np.uint64(64 - step)
    wide = line | (line << by) | (line >> by)
    wide[1:] |= line[:-1] >> rest
    wide[:-1] |= line[1:] << rest
    return wide


def box_iou(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Intersection over union of every box ``(n, 4)`` with every other ``(m, 4)``, ``(n, m)``; no pixel is added."""
    first, second = first[:, None], second[None]  # (n, 1, 4), (1, m, 4)
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])  # (n, m, 2)
    shared = sides.clip(0).prod(axis=-1)
    union = box_area(first) + box_area(second) - shared
    return shared / np.where(union > 0, union, 1)


def box_area(boxes: Boxes) -> NDArray[np.float64]:
    """Width times height, ``(...,)``."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)


def mask_box(mask: Mask) -> tuple[int, int, int, int]:
    """The smallest box around a mask ``(H, W)``; all zero for an empty one."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return x, y, x + width, y + height


def beside(box: ArrayLike, size: tuple[int, int]) -> bool:
    """Whether a box ``(4,)`` has nothing in common with a picture of ``(H, W)`` px."""
    x0, y0, x1, y1 = np.asarray(box, np.float64)
    return bool(x1 < 0 or y1 < 0 or x0 >= size[1] or y0 >= size[0])


def inside(box: ArrayLike, size: tuple[int, int]) -> Mask:
    """The pixels of a box ``(4,)``, however far it reaches beyond them, ``(H, W)``."""
    height, width = size
    x0, y0, x1, y1 = np.asarray(box, np.float64).round().clip(0, (width, height, width, height)).astype(int)
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


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
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


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

    ``statistic`` is told how often each unit was drawn, ``(draws, units)``, some draws at a time, and gives a value
    ``(draws, ...)`` for each; where it is NaN it is not counted.
    """
    generator = np.random.default_rng(seed)
    found = []
    for start in range(0, resamples, step := max(1, AT_ONCE // units)):
        drawn = generator.integers(units, size=(min(step, resamples - start), units))  # (draws, units)
        found.append(np.asarray(statistic(times_drawn(drawn)), np.float64))
    return np.nanquantile(np.concatenate(found), [(1 - level) / 2, (1 + level) / 2], axis=0)


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
