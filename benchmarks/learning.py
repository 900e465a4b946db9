"""Does `dinoseg train` learn? DINO from random weights, and a ViT-Tiny distilled from the built-in model, in minutes.

    python benchmarks/learning.py IMAGENETTE/train --duts DUTS --work DIR -o benchmarks/results/learning

Both train on the folder of classes (the labels are for the k-NN score alone) with the settings below, and go on where
they were if DIR holds them; --only takes one of the two. Then thresholded attention is scored on a third of DUTS's odd
half, untrained weights of the same shape beside. Writes FILE.md and FILE.json; each run's report.html lies in DIR.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from command import quoted

import dinoseg
from dinoseg.evaluation.report import Score, versions
from dinoseg.options import TrainOptions
from dinoseg.training.report import words

COMMON: dict[str, Any] = {
    "device": "cpu",
    "patch": 8,
    "global_size": 64,
    "local_size": 32,
    "batch": 32,
    "drop_path": 0.0,
}
RUNS: dict[str, dict[str, Any]] = {
    "DINO from random weights": COMMON
    | {"width": 128, "depth": 6, "heads": 2, "local_crops": 4, "prototypes": 1024, "momentum": 0.99, "lr": 4e-3}
    | {"epochs": 24, "warmup_epochs": 2, "watch_every": 2},
    "ViT-Tiny distilled from the built-in model": COMMON
    | {"distil_from": "builtin", "lr": 8e-3, "weight_decay": (0.04, 0.04)}
    | {"epochs": 8, "warmup_epochs": 1, "watch_every": 2},
}
HEAD = """# Learning in minutes

Top-1 of weighted k-NN on {pictures} pictures of {classes} classes, each by its nearest others; raw pixels {pixels:.3f},
the most frequent class {chance:.3f}; standard error {error:.3f}. Epoch 0 is the untrained network.
"""


def short(name: str) -> str:
    """Of a run's name: its folder."""
    return name.split()[0].lower()


def trained(name: str, photos: Path, work: Path) -> tuple[Path, TrainOptions]:
    """The finished run of that name."""
    output = work / short(name)
    options = TrainOptions(output=output, **RUNS[name])
    dinoseg.train(photos, output=output, resume=(output / "run.json").exists(), **RUNS[name])
    return output, options


def looks(run: Path) -> list[dict[str, Any]]:
    """What was seen at each look."""
    return [json.loads(line) for line in (run / "watch.jsonl").read_text().splitlines()]


def attention(model: Path, duts: Path, *, random_weights: bool) -> Score:
    """Mean IoU of thresholded attention."""
    asked: dict[str, Any] = {"method": "attention", "split": "odd", "every": 3, "device": "cpu"}
    return dinoseg.evaluate("foreground", duts, model=str(model), random_weights=random_weights, **asked).scores[0]


def lines_of(name: str, run: Path, options: TrainOptions, iou: Sequence[Score]) -> list[str]:
    """One run as Markdown."""
    seen = looks(run)
    cells = [f"{score.value:.3f} [{score.interval[0]:.3f}, {score.interval[1]:.3f}]" for score in iou if score.interval]
    typed = shlex.join(["dinoseg", "train", "PHOTOS", *words(options)]).replace(str(options.output), "RUN")
    return [
        f"## {name}\n",
        f"| epoch | {' | '.join(str(look['epoch']) for look in seen)} |",
        f"| --- |{' --- |' * len(seen)}",
        f"| k-NN | {' | '.join(format(look['knn'], '.3f') for look in seen)} |\n",
        f"Thresholded attention, mean IoU on {iou[0].units} pictures: untrained {cells[0]}, trained {cells[1]}.\n",
        f"    {typed}\n",
    ]


def main(argument_words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of classes")
    parser.add_argument("--duts", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", choices=[short(name) for name in RUNS])
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args(argument_words)
    facts: dict[str, Any] = {"command": quoted("learning.py", argument_words), "versions": versions(), "runs": {}}
    body: list[str] = []
    for name in (name for name in RUNS if arguments.only in (None, short(name))):
        run, options = trained(name, arguments.photos, arguments.work)
        iou = [
            attention(run / "model.safetensors", arguments.duts, random_weights=untrained)
            for untrained in (True, False)
        ]
        body += lines_of(name, run, options, iou)
        facts["runs"][name] = {"looks": looks(run), "iou": [score.value for score in iou]}
    first = looks(run)[0]
    head = HEAD.format(
        pictures=first["pictures"],
        classes=first["classes"],
        pixels=first["knn_pixels"],
        chance=first["chance"],
        error=0.5 / first["pictures"] ** 0.5,
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".md").write_text("\n".join([head, *body, f"    {facts['command']}\n"]))
    arguments.output.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
