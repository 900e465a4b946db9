"""The feed of `train` against the reference way, per core, from the same files; and what of a training step it takes.

    python benchmarks/feed.py PHOTOS [--rounds 7] [--batch 16] [--out feed]

ours       decode (`small_photo`), then all views of the batch at once (`multi_crop`), as `--cache disk` does on a CPU
views      the same without decoding: what `--cache memory` pays in every epoch
reference  one photograph after the other through Pillow and torchvision's transforms (METHODS of DINO, appendix):
           decode, 2 large and n small crops, flip, colour jitter, grey, blur, solarise, to tensor, normalise
decode     Pillow alone: open, decode, RGB

Seconds are this process's CPU seconds on one thread, so that other work on the machine disturbs little. All ways take
the same photographs in turn, others in every round; speeds are medians over the rounds, with their range, and ratios
are medians of the rounds' paired ratios. The step is ViT-Tiny with the published head on a CPU: `data` is the share of
its CPU seconds that decoding and views take.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from harness import RESULTS, command_line, one_thread, photographs, spread, timed
from PIL import Image
from reference_feed import ReferencePhotos

from dinoseg.options import TrainOptions
from dinoseg.training.cache import SHORT_SIDE, frame, small_photo
from dinoseg.training.learner import Batch
from dinoseg.training.recipe import DINO
from dinoseg.training.schedules import Schedules
from dinoseg.training.views import draw_views, multi_crop
from dinoseg.types import Source

RECIPES = ((128, 48), (224, 96))
LOCAL_CROPS = 8


class Ways:
    """Each takes photographs and makes all their views."""

    def __init__(self, large: int, small: int, patch: int = 16) -> None:
        self.options = TrainOptions(
            output=Path("none"), global_size=large, local_size=small, local_crops=LOCAL_CROPS, patch=patch
        )

    def held(self, sources: Sequence[Source]) -> list[torch.Tensor]:
        """Ours: decoded."""
        return [small_photo(source, round(SHORT_SIDE * self.options.global_size)) for source in sources]

    def made(self, photos: Sequence[torch.Tensor], seed: int) -> Any:
        """Ours: views of what is decoded."""
        sizes = torch.tensor([photo.shape[1:] for photo in photos])
        drawn = draw_views(sizes, self.options, torch.Generator().manual_seed(seed))
        return multi_crop(frame(photos), drawn, self.options)

    def reference(self, sources: Sequence[Source]) -> list[Any]:
        """From files to normalised views."""
        photos = ReferencePhotos(sources, self.options.global_size, self.options.local_size, LOCAL_CROPS)
        return [photos[index] for index in range(len(photos))]

    def round(self, sources: Sequence[Source], seed: int) -> dict[str, float]:
        """Photographs per CPU second of each way."""
        seconds: dict[str, float] = {}
        held, seconds["ours"] = timed(lambda: self.held(sources))
        _, seconds["views"] = timed(lambda: self.made(held, seed))
        seconds["ours"] += seconds["views"]
        _, seconds["reference"] = timed(lambda: self.reference(sources))
        _, seconds["decode"] = timed(lambda: [Image.open(source.content).convert("RGB") for source in sources])
        return {name: len(sources) / value for name, value in seconds.items()}


def feed(sources: Sequence[Source], sizes: tuple[int, int], rounds: int, batch: int) -> dict[str, list[float]]:
    """Speeds of all ways, and ratios to the reference."""
    ways = Ways(*sizes)
    ways.round(sources[:batch], 0)  # a first time for everything
    took = [ways.round([sources[(i * batch + j) % len(sources)] for j in range(batch)], i) for i in range(rounds)]
    ratios = {f"{name} / reference": [one[name] / one["reference"] for one in took] for name in ("ours", "views")}
    return {name: spread([one[name] for one in took]) for name in took[0]} | {k: spread(v) for k, v in ratios.items()}


def step(sources: Sequence[Source], sizes: tuple[int, int], rounds: int, batch: int) -> dict[str, list[float]]:
    """The whole training step on a CPU: photographs per CPU second, and the share of decoding and views."""
    ways = Ways(*sizes)
    learner = DINO(ways.options, torch.device("cpu"))
    settings = Schedules(ways.options, 10, batch).at(5)
    speeds, shares = [], []
    for index in range(rounds):
        photos, decoding = timed(lambda index=index: ways.held(sources[index * batch : (index + 1) * batch]))
        whole = Batch(frame(photos), torch.tensor([p.shape[1:] for p in photos]), torch.arange(batch), 0, slice(batch))
        crops, views = timed(lambda whole=whole: learner.prepare(whole, torch.Generator().manual_seed(0)))
        _, learning = timed(lambda crops=crops: learner.step(settings, *crops))
        total = decoding + views + learning
        speeds.append(batch / total)
        shares.append((decoding + views) / total)
    return {"images per second": spread(speeds), "data": spread(shares)}


def table(found: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = ["# Feed of `train`, one core", "", f"{found['what']}", ""]
    lines += [
        "| crops | ours | ours without decoding | reference | decoding alone | ours / reference |",
        "|" + "---|" * 6,
    ]
    for crops, row in found["feed"].items():
        names = ("ours", "views", "reference", "decode", "ours / reference")
        lines.append(
            f"| {crops} | " + " | ".join("{:.3g} ({:.3g}..{:.3g})".format(*row[name]) for name in names) + " |"
        )
    lines += ["", "| training step, ViT-Tiny/16 | images/s | of it data |", "|---|---|---|"]
    for crops, row in found["step"].items():
        lines.append(
            f"| {crops} | {row['images per second'][0]:.3g} | {row['data'][0]:.1%} "
            f"({row['data'][1]:.1%}..{row['data'][2]:.1%}) |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line(__doc__, output=False)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--out", default="feed")
    arguments = parser.parse_args()
    one_thread()
    random.seed(0)
    torch.manual_seed(0)
    sources = photographs(arguments.photos)
    named = {f"2 x {large} + {LOCAL_CROPS} x {small} px": (large, small) for large, small in RECIPES}
    found = {
        "what": f"Photographs per CPU second, median (range) of {arguments.rounds} rounds of {arguments.batch} of "
        f"{len(sources)} photographs; torch {torch.__version__}.",
        "feed": {name: feed(sources, sizes, arguments.rounds, arguments.batch) for name, sizes in named.items()},
        "step": {name: step(sources, sizes, 3, arguments.batch) for name, sizes in named.items()},
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{arguments.out}.json").write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / f"{arguments.out}.md").write_text(table(found))
    print(table(found))


if __name__ == "__main__":
    main()
