"""What each refinement gains on masks of the built-in model, and what it costs per megapixel.

    python benchmarks/refinement.py DUTS [--every 1] -o benchmarks/results/refinement

DUTS is a folder of pictures and masks. The network runs once a picture; methods share its features, refinements a
method's maps. Gains are paired differences to `none`, with 95 % bootstrap intervals over pictures; what was chosen by
ground truth was chosen on the even half of the sorted list, so the odd half is the one to quote. The table of crumbs
has what taking them and pinholes away from the guided filter's masks changes, and how many there were. Seconds are of
the processor, on one thread, rounds interleaved, for one object on a photograph enlarged or shrunk to the size named.
Writes FILE.md and FILE.json.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from harness import command_line, in_turn, number, one_thread, quoted, write
from tqdm import tqdm

from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.datasets.base import Sample, Truth
from dinoseg.evaluation.metrics.masks import boundary_f, jaccard
from dinoseg.evaluation.metrics.resampling import bootstrap
from dinoseg.images.decode import as_source, decode
from dinoseg.images.fit import fit, resize
from dinoseg.pipeline import Proposed, Segmenter, refine
from dinoseg.refine import REFINEMENTS, REFUSED
from dinoseg.refine import refine as refine_map
from dinoseg.refine.guided import guided_filter
from dinoseg.refine.pieces import components, without_crumbs
from dinoseg.types import Photo

METHODS = ("attention", "tokencut", "attention-cut")
MEGAPIXELS = (0.15, 1, 4, 12)
ROUNDS = 3
METRICS = {"IoU": jaccard, "boundary F": boundary_f}


def measured(segmenters: dict[str, Segmenter], sample: Sample) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Of one picture: metrics and whether a mask was refused, by method and refinement; ``crumbs`` by method."""
    leader = segmenters[METHODS[1]]
    encoded, truth = leader.encoder(sample.image), sample.truth()
    found, removed = {}, {}
    for method, segmenter in segmenters.items():
        (proposed,) = segmenter.propose([encoded])
        for name in REFINEMENTS:
            result = refine(name, proposed).segmentation
            values = {metric: of(result.mask, truth.foreground, truth.void) for metric, of in METRICS.items()}
            found[f"{method}, {name}"] = {**values, "refused": REFUSED in result.notes}
        removed[method] = crumbs(proposed, truth)
    return found, removed


def crumbs(proposed: Proposed, truth: Truth) -> dict[str, float] | None:
    """What taking crumbs and pinholes away changes in the guided filter's mask of the first object, if there is one."""
    objects, encoded = proposed.proposals.objects, proposed.encoded
    if not objects:
        return None
    soft = guided_filter(objects[0].soft, encoded.photo, encoded.fit)
    masks = [soft > 0.5, without_crumbs(soft) > 0.5]
    before, after = ([of(mask, truth.foreground, truth.void) for of in METRICS.values()] for mask in masks)
    changes = {metric: new - old for metric, new, old in zip(METRICS, after, before, strict=True)}
    pieces = [len(components(mask, 8)[1]) for mask in masks]
    boxes = [math.prod(cv2.boundingRect(mask.view(np.uint8))[2:]) for mask in masks]
    return {**changes, "crumbs": pieces[0] - pieces[1], "box": 1 - boxes[1] / boxes[0] if boxes[0] else 0.0}


def crumb_rows(values: list[dict[str, dict[str, float] | None]]) -> list[dict[str, Any]]:
    """By method: masks that had crumbs, how many, boxes that were too wide for them, and the change of the metrics."""
    rows = []
    for method in METHODS:
        found = [each for value in values if (each := value[method])]
        counts = np.array([each["crumbs"] for each in found])
        row: dict[str, Any] = {
            "method": method,
            "masks": len(found),
            "with": int(np.count_nonzero(counts)),
            "median": float(np.median(counts[counts > 0])),
            "most": int(counts.max()),
            "boxes": sum(each["box"] > 0.05 for each in found),
        }
        for metric in METRICS:
            change = np.array([each[metric] for each in found])
            row[metric] = {"change": change.mean(), "interval": bootstrap(change)}
        rows.append(row)
    return rows


def gains(values: list[dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Means, and differences to no refinement, over pictures."""
    rows = []
    for key in values[0]:
        method, name = key.split(", ")
        row: dict[str, Any] = {"method": method, "refine": name, "refused": sum(v[key]["refused"] for v in values)}
        for metric in METRICS:
            scores = np.array([v[key][metric] for v in values])
            difference = scores - [v[f"{method}, none"][metric] for v in values]
            row[metric] = {"mean": scores.mean(), "gain": difference.mean(), "interval": bootstrap(difference)}
        rows.append(row)
    return rows


def enlarged(sample: Sample, megapixels: float) -> Photo:
    photo = decode(as_source(sample.image))
    scale = (megapixels * 1e6 / (photo.size[0] * photo.size[1])) ** 0.5
    size = (round(photo.size[0] * scale), round(photo.size[1] * scale))
    return replace(photo, pixels=resize(photo.pixels, size), size=size)


def speeds(sample: Sample) -> list[dict[str, Any]]:
    """Seconds per megapixel of each refinement at each size."""
    rows = []
    for megapixels in MEGAPIXELS:
        photo = enlarged(sample, megapixels)
        fitted = fit(photo, 10, None)[1]
        truth = cv2.resize(
            sample.truth().foreground.astype(np.float32), fitted.grid[::-1], interpolation=cv2.INTER_AREA
        )
        seconds = in_turn({name: partial(refine_map, name, truth, photo, fitted) for name in REFINEMENTS}, ROUNDS)
        rows += [
            {"megapixels": megapixels, "refine": name, "seconds": [each / megapixels for each in taken]}
            for name, taken in seconds.items()
        ]
    return rows


def gain_table(rows: list[dict[str, Any]], half: str, pictures: int) -> str:
    head = " | ".join(f"{metric} | gain" for metric in METRICS)
    lines = [f"| {half}, {pictures} pictures | refine | {head} | refused |", "| --- | --- |" + " --- |" * 5]
    for row in rows:
        cells = [cell for metric in METRICS for cell in shown(row[metric], row["refine"])]
        lines.append(f"| {row['method']} | {row['refine']} | {' | '.join(cells)} | {row['refused']} |")
    return "\n".join(lines)


def crumb_table(rows: list[dict[str, Any]], half: str) -> str:
    head = " | ".join(f"{metric}, change" for metric in METRICS)
    titles = "masks | with crumbs | crumbs of these, median, most | boxes more than 5 % too large"
    lines = [f"| {half}, guided, crumbs taken away | {titles} | {head} |", "| --- |" + " --- |" * 6]
    for row in rows:
        cells = [
            f"{row[m]['change']:+.4f} [{row[m]['interval'][0]:+.4f}, {row[m]['interval'][1]:+.4f}]" for m in METRICS
        ]
        counts = f"{row['masks']} | {row['with']} | {row['median']:.0f}, {row['most']} | {row['boxes']}"
        lines.append(f"| {row['method']} | {counts} | {' | '.join(cells)} |")
    return "\n".join(lines)


def shown(score: dict[str, Any], name: str) -> tuple[str, str]:
    return number(score["mean"]), "" if name == "none" else number(score["gain"], score["interval"], sign=True)


def speed_table(rows: list[dict[str, Any]]) -> str:
    lines = [f"| s/MP | {' | '.join(f'{size} MP' for size in MEGAPIXELS)} |", "| --- |" + " --- |" * len(MEGAPIXELS)]
    for name in REFINEMENTS:
        taken = [row["seconds"] for row in rows if row["refine"] == name]
        cells = [f"{statistics.median(each):.3f} ({min(each):.3f} .. {max(each):.3f})" for each in taken]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def page(content: dict[str, Any]) -> str:
    tables = [gain_table(rows, half, content["pictures"][half]) for half, rows in content["gains"].items()]
    tables += [crumb_table(rows, half) for half, rows in content["crumbs"].items()]
    parts = ["# Refinements", __doc__.split("\n\n", 2)[2].strip(), *tables, speed_table(content["speeds"])]
    return "\n\n".join(parts)


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("data", type=Path, help="a folder with images/ and masks/")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every N-th picture of each half")
    arguments = parser.parse_args(words)
    one_thread()
    dataset = open_dataset(arguments.data)
    segmenters = {method: Segmenter(method=method, device="cpu") for method in METHODS}
    halves = {half: dataset.select(half)[:: arguments.every] for half in ("odd", "even")}
    values = {half: [measured(segmenters, s) for s in tqdm(samples)] for half, samples in halves.items()}
    content = {
        "pictures": {half: len(samples) for half, samples in halves.items()},
        "gains": {half: gains([scores for scores, _ in found]) for half, found in values.items()},
        "crumbs": {half: crumb_rows([removed for _, removed in found]) for half, found in values.items()},
        "speeds": speeds(halves["odd"][0]),
    }
    print(write(arguments.output, page(content), content, quoted("refinement.py", words)), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
