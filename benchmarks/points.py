"""The object under a click: IoU over the objects of VOC 2012, against what a click gives without looking.

    python benchmarks/points.py --data VOC2012 -o benchmarks/results/points

The click is at the pixel deepest in each object. A second click, where there is one, is at the pixel deepest in what
the first one has too much (outside) or lacks (inside): the ground truth chooses it, as a person would. The method was
chosen on the even half, the odd half is reported. Intervals are of a bootstrap over photographs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from harness import command_line, quoted
from numpy.typing import NDArray
from scipy.ndimage import label

import dinoseg
from dinoseg.encoding import Encoded, Encoder
from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.datasets.base import Sample
from dinoseg.evaluation.metrics.masks import Mask, jaccard, without
from dinoseg.evaluation.metrics.resampling import resampled
from dinoseg.evaluation.report import versions
from dinoseg.methods.points import Points

DISK = 0.22
"""Radius of the disk, of the root of the picture's area. One value was tried, not the best looked for."""
POINT = "points: a click"
ROWS = {
    POINT: "one click inside",
    "points: and one outside": "a second click in what is too much, where there is any",
    "points: or one more inside": "a second click in what is missing, where there is any",
    "default, piece under the click": "the piece of `attention-cut`'s mask that holds the click",
    "default, whole mask": "without the click",
    "disk": f"around the click, radius {DISK} of the root of the picture's area",
    "whole picture": "",
}


def deepest(mask: Mask) -> tuple[int, int]:
    """The pixel ``(x, y)`` of a mask that is farthest from its edge and from the picture's."""
    depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return int(x), int(y)


def piece_under(mask: Mask, point: tuple[int, int]) -> Mask:
    """The 4-connected piece of a mask that holds a pixel; empty where that is none of it."""
    pieces, _ = label(mask)
    number = pieces[point[1], point[0]]
    return pieces == number if number else np.zeros_like(mask)


def masks_of(segmenter: dinoseg.Segmenter, encoded: Encoded, truth: Mask, void: Mask | None) -> Iterator[Mask]:
    """What each of ``ROWS`` gives for one object."""
    click = deepest(truth)

    def with_points(**more: list[tuple[int, int]]) -> Mask:
        return segmenter.with_method(Points(**{"inside": [click], **more}))(encoded).mask

    first = with_points()
    predicted, wanted = without(void, first, truth)
    excess, lack = predicted & ~wanted, wanted & ~predicted
    yield first
    yield with_points(outside=[deepest(excess)]) if excess.any() else first
    yield with_points(inside=[click, deepest(lack)]) if lack.any() else first
    default = segmenter(encoded).mask
    yield piece_under(default, click)
    yield default
    y, x = np.ogrid[: truth.shape[0], : truth.shape[1]]
    yield np.hypot(y - click[1], x - click[0]) < DISK * np.sqrt(truth.size)
    yield np.ones_like(truth)


def measure(segmenter: dinoseg.Segmenter, encoder: Encoder, sample: Sample) -> list[list[float]]:
    """IoU of each object of a photograph by each of ``ROWS``, ``(objects, rows)``."""
    encoded, truth = encoder(sample.image), sample.truth()
    return [
        [jaccard(mask, thing, truth.void) for mask in masks_of(segmenter, encoded, thing, truth.void)]
        for thing in truth.objects()
    ]


def interval(photographs: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """95 % interval of the mean over objects, photographs drawn anew, ``(2, rows)``; of each ``(objects, rows)``."""
    sums = np.array([each.sum(axis=0) for each in photographs])  # (photographs, rows)
    counts = np.array([len(each) for each in photographs])
    return resampled(lambda drawn: (drawn @ sums) / (drawn @ counts)[:, None], len(photographs))


def table(photographs: list[NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    """Mean, interval, and share of objects above 0.5, by row; and the difference from the single click."""
    values = np.concatenate(photographs)  # (objects, rows)
    low, high = interval(photographs)
    less, more = interval([each - each[:, :1] for each in photographs])
    numbers = {
        "iou": values.mean(axis=0),
        "low": low,
        "high": high,
        "above_half": (values > 0.5).mean(axis=0),
        "difference": (values - values[:, :1]).mean(axis=0),
        "difference_low": less,
        "difference_high": more,
    }
    return {row: {name: round(float(x[i]), 4) for name, x in numbers.items()} for i, row in enumerate(ROWS)}


def page(rows: dict[str, dict[str, float]], facts: dict[str, object]) -> str:
    """The results as a page."""
    lines = [
        "# The object under a click\n",
        f"IoU of {facts['objects']} objects in {facts['photographs']} photographs of VOC 2012 ({facts['split']} half), "
        "mean over objects with the 95 % bootstrap interval over photographs. The click is at the pixel deepest in the "
        "object, which the ground truth tells, as a person would; a second click likewise. Model: built-in.\n",
        "| | IoU | above 0.5 | against one click | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, row in rows.items():
        iou = f"{row['iou']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        difference = f"{row['difference']:+.3f} [{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]"
        lines.append(
            f"| {name} | {iou} | {row['above_half']:.0%} | {'' if name == POINT else difference} | {ROWS[name]} |"
        )
    lines.append(f"\n`{facts['command']}`")
    return "\n".join(lines) + "\n"


def main(words: list[str] | None = None) -> None:
    """See the top of this file."""
    parser = command_line(__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="VOC2012")
    parser.add_argument("--split", choices=("odd", "even"), default="odd")
    arguments = parser.parse_args(words)
    segmenter = dinoseg.Segmenter(method="attention-cut", device="cpu")
    encoder = Encoder(segmenter.options, segmenter.backbone)
    samples = open_dataset(arguments.data).select(arguments.split, None)
    photographs = [np.array(values) for sample in samples if (values := measure(segmenter, encoder, sample))]
    facts: dict[str, object] = {
        "split": arguments.split,
        "photographs": len(photographs),
        "objects": sum(map(len, photographs)),
        "command": quoted("points.py", sys.argv[1:] if words is None else words),
        "versions": versions(),
    }
    rows = table(photographs)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".md").write_text(page(rows, facts))
    arguments.output.with_suffix(".json").write_text(json.dumps({**facts, "rows": rows}, indent=1) + "\n")
    print(page(rows, facts), end="")


if __name__ == "__main__":
    main()
