"""J and F of one object in one frame of 480 x 854: the DAVIS toolkit's way against ``dinoseg.evaluation.metrics``.

The toolkit's way is restated here from its description (contour, dilation of whole frames with a disk, products and
sums) and checked against the toolkit's own values before anything is timed, as are ours. Both sides take turns on the
same masks in one process with one thread.

    python benchmarks/boundary.py --golden evaluation.npz -o benchmarks/results/boundary
"""

from __future__ import annotations

import math
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from harness import command_line, one_thread, quoted, timed, write
from numpy.typing import NDArray

from dinoseg.evaluation.metrics.masks import boundary_f, jaccard

REALISTIC = slice(0, 8)
"""Masks of a video network against perturbed copies; the others are blobs and degenerate cases, for checking only."""

Mask = NDArray[np.bool_]


def plain_jaccard(predicted: Mask, truth: Mask) -> float:
    """Logical operations and sums over the whole frame."""
    union = np.sum(np.logical_or(predicted, truth))
    return float(np.sum(np.logical_and(predicted, truth)) / union) if union else 1.0


def plain_contour(mask: Mask) -> Mask:
    """A pixel against its right, lower and lower-right neighbour; the last row and column have fewer of them."""
    right, lower, diagonal = np.zeros_like(mask), np.zeros_like(mask), np.zeros_like(mask)
    right[:, :-1], lower[:-1], diagonal[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    found = (mask ^ right) | (mask ^ lower) | (mask ^ diagonal)
    found[-1] = mask[-1] ^ right[-1]
    found[:, -1] = mask[:, -1] ^ lower[:, -1]
    found[-1, -1] = False
    return found


def plain_f(predicted: Mask, truth: Mask) -> float:
    """Contours of whole frames, each dilated with the whole disk."""
    radius = math.ceil(0.008 * np.linalg.norm(truth.shape))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x**2 + y**2 <= radius**2).astype(np.uint8)
    found, wanted = plain_contour(predicted), plain_contour(truth)
    near_wanted, near_found = (cv2.dilate(contour.astype(np.uint8), disk) for contour in (wanted, found))
    count_found, count_wanted = np.sum(found), np.sum(wanted)
    if not count_found or not count_wanted:
        return float(count_found == count_wanted)
    precision, recall = np.sum(found * near_wanted) / count_found, np.sum(wanted * near_found) / count_wanted
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


SIDES: dict[str, dict[str, Callable[[Mask, Mask], float]]] = {
    "J": {"toolkit's way": plain_jaccard, "dinoseg": jaccard},
    "F": {"toolkit's way": plain_f, "dinoseg": boundary_f},
    "J and F": {
        "toolkit's way": lambda p, t: plain_jaccard(p, t) + plain_f(p, t),
        "dinoseg": lambda p, t: jaccard(p, t) + boundary_f(p, t),
    },
}


def check(golden: Any, pairs: list[tuple[Mask, Mask]]) -> float:
    """The largest error of both sides over all pairs. Raises ``SystemExit`` when one is not the toolkit's."""
    worst = 0.0
    for measure in ("J", "F"):
        for name, function in SIDES[measure].items():
            errors = np.abs([function(*pair) for pair in pairs] - golden[f"frame/{measure}"])
            if not errors.max() <= 1e-12:
                raise SystemExit(f"{measure} by {name} is not the toolkit's: off by {errors.max()}")
            worst = max(worst, float(errors.max()))
    return worst


def milliseconds(function: Callable[[Mask, Mask], float], pair: tuple[Mask, Mask]) -> float:
    """Of this thread's own work: what else the machine does is not in it."""
    return 1000 * timed(lambda: function(*pair), time.thread_time)[1]


def measure(pairs: list[tuple[Mask, Mask]], rounds: int) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Milliseconds by number and side, ``(rounds, pairs)``; the sides take turns."""
    times: dict[str, dict[str, Any]] = {number: {side: [] for side in sides} for number, sides in SIDES.items()}
    for number, sides in SIDES.items():
        for _ in range(rounds):
            taken: dict[str, list[float]] = {side: [] for side in sides}
            for pair in pairs:
                for side, function in sides.items():
                    taken[side].append(milliseconds(function, pair))
            for side in sides:
                times[number][side].append(taken[side])
    return {number: {side: np.array(x) for side, x in sides.items()} for number, sides in times.items()}


def summary(times: dict[str, dict[str, NDArray[np.float64]]]) -> list[dict[str, Any]]:
    """Per frame: the median over rounds of the mean over pairs with its quartiles, and the ratio of the sides."""
    rows = []
    for number, sides in times.items():
        means = {side: taken.mean(axis=1) for side, taken in sides.items()}  # (rounds,) each
        row: dict[str, Any] = {"number": number}
        for side, mean in means.items():
            row[side] = [round(float(x), 3) for x in np.quantile(mean, [0.25, 0.5, 0.75])]
        ratios = means["toolkit's way"] / means["dinoseg"]
        row["times faster"] = [round(float(x), 2) for x in np.quantile(ratios, [0.25, 0.5, 0.75])]
        rows.append(row)
    return rows


def page(rows: list[dict[str, Any]], facts: dict[str, Any]) -> str:
    columns = ("toolkit's way", "dinoseg", "times faster")
    lines = [
        "# J and F per object and frame, 480 x 854\n",
        f"Milliseconds of processor time, median [quartiles] of {facts['rounds']} rounds over {facts['pairs']} mask "
        "pairs, one thread; the sides take turns. Before timing, both were compared with the toolkit's own values on "
        f"{facts['checked']} pairs, degenerate ones among them: largest error {facts['largest error']:.1e}.\n",
        f"| | {' | '.join(columns)} |",
        "| --- |" + " --- |" * len(columns),
    ]
    for row in rows:
        cells = [f"{row[column][1]} [{row[column][0]}, {row[column][2]}]" for column in columns]
        lines.append(f"| {row['number']} | {' | '.join(cells)} |")
    lines.append(f"\n{facts['processor']}")
    return "\n".join(lines)


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("--golden", type=Path, required=True, help="evaluation.npz with the toolkit's values")
    parser.add_argument("--rounds", type=int, default=25)
    arguments = parser.parse_args(words)
    one_thread()
    golden = np.load(arguments.golden)
    sides = [np.unpackbits(golden[f"frame/{x}_packed"], axis=-1)[..., :854].astype(bool) for x in ("pred", "gt")]
    pairs = list(zip(*sides, strict=True))
    facts = {
        "largest error": check(golden, pairs),
        "checked": len(pairs),
        "pairs": len(pairs[REALISTIC]),
        "rounds": arguments.rounds,
        "processor": f"{platform.machine()}, {os.cpu_count()} cores, OpenCV {cv2.__version__}",
    }
    measure(pairs[REALISTIC], 1)  # warm up
    rows = summary(measure(pairs[REALISTIC], arguments.rounds))
    asked = quoted("boundary.py", words)
    print(write(arguments.output, page(rows, facts), {**facts, "rows": rows}, asked), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
