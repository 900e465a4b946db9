"""Does `dinoseg train --distil-from` learn? A ViT-Tiny from the built-in model, in minutes of a CPU.

    python benchmarks/learning.py IMAGENETTE/train --duts DUTS --work RUN -o benchmarks/results/learning

Trains on the folder of classes (the labels are for the k-NN score alone) with the settings below, and goes on where it
was if RUN holds them. Then thresholded attention is scored on a third of DUTS's odd half, untrained weights of the same
shape beside. Writes FILE.md and FILE.json; RUN/report.html shows more. DINO from random weights: scratch.py.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import command_line, number, quoted, write

import dinoseg
from dinoseg.evaluation.report import Score
from dinoseg.options import TrainOptions
from dinoseg.training.report import words

SETTINGS: dict[str, Any] = {
    "distil_from": "builtin",
    "device": "cpu",
    "patch": 8,
    "global_size": 64,
    "local_size": 32,
    "batch": 32,
    "epochs": 8,
    "warmup_epochs": 1,
    "lr": 8e-3,
    "weight_decay": (0.04, 0.04),
    "drop_path": 0.0,
    "watch_every": 2,
}
HEAD = """# Distilled in minutes: a ViT-Tiny from the built-in model

Top-1 of weighted k-NN on {pictures} pictures of {classes} classes, each by its nearest others; raw pixels {pixels:.3f},
the most frequent class {chance:.3f}; standard error {error:.3f}. Epoch 0 is the untrained network.
"""


def looks(run: Path) -> list[dict[str, Any]]:
    """What was seen at each look."""
    return [json.loads(line) for line in (run / "watch.jsonl").read_text().splitlines()]


def attention(model: Path, duts: Path, *, random_weights: bool) -> Score:
    """Mean IoU of thresholded attention."""
    asked: dict[str, Any] = {"method": "attention", "split": "odd", "every": 3, "device": "cpu"}
    return dinoseg.evaluate("foreground", duts, model=str(model), random_weights=random_weights, **asked).scores[0]


def curve(seen: Sequence[dict[str, Any]], options: TrainOptions, iou: Sequence[Score]) -> str:
    """The run as Markdown."""
    cells = [number(score.value, score.interval) for score in iou]
    typed = shlex.join(["dinoseg", "train", "PHOTOS", *words(options)]).replace(str(options.output), "RUN")
    return f"""
| epoch | {" | ".join(str(look["epoch"]) for look in seen)} |
| --- |{" --- |" * len(seen)}
| k-NN | {" | ".join(format(look["knn"], ".3f") for look in seen)} |

Thresholded attention, mean IoU on {iou[0].units} pictures: untrained {cells[0]}, trained {cells[1]}.

    {typed}
"""


def main(argument_words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("photos", type=Path, help="folder of classes")
    parser.add_argument("--duts", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, metavar="RUN")
    arguments = parser.parse_args(argument_words)
    run = arguments.work
    dinoseg.train(arguments.photos, output=run, resume=(run / "run.json").exists(), **SETTINGS)
    seen = looks(run)
    iou = [
        attention(run / "model.safetensors", arguments.duts, random_weights=untrained) for untrained in (True, False)
    ]
    command = quoted("learning.py", argument_words)
    first = seen[0]
    head = HEAD.format(
        pictures=first["pictures"],
        classes=first["classes"],
        pixels=first["knn_pixels"],
        chance=first["chance"],
        error=0.5 / first["pictures"] ** 0.5,
    )
    page = head + curve(seen, TrainOptions(output=run, **SETTINGS), iou)
    write(arguments.output, page, {"looks": seen, "iou": [score.value for score in iou]}, command)


if __name__ == "__main__":
    main(sys.argv[1:])
