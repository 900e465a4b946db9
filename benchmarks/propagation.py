"""Label propagation: what a step costs beside a dense one, and how well objects are followed on DAVIS.

    python benchmarks/propagation.py cost [--rounds 5] [--json FILE]
    python benchmarks/propagation.py quality --data DAVIS [--models builtin FILE ...] [--json FILE]

`cost`: one step at 480p, patch 8 (60 x 106 patches, 384 dimensions, 2 channels of labels, 8 frames of context,
neighbourhood 12, top 5), on random tokens, one thread unless OMP_NUM_THREADS says otherwise.

ours   `dinoseg.propagate.propagate`: pairs within the neighbourhood, tile by tile
dense  the whole affinity of all patches with all patches of every frame, masked; restated here plainly
       and checked against ours before anything is timed

Both run in turn in one process; times are of the processor (other programs may run), the ratio is the median over
rounds of paired ratios. Memory is the peak above what was there before, each way in a process of its own.

`quality`: the protocol `davis-propagation` for each model and for random weights in the shape of the first.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from dinoseg import evaluate
from dinoseg.options import PropagateOptions
from dinoseg.propagate import propagate

GRID, WIDTH, FRAMES, CHANNELS = (60, 106), 384, 8, 2
OPTIONS = PropagateOptions()
Step = Callable[[Tensor, list[Tensor], list[Tensor]], Tensor]


def scene() -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Tokens of a frame, of its context, and the context's labels: frames alike but for noise."""
    random = torch.Generator().manual_seed(0)
    common = torch.randn(*GRID, WIDTH, generator=random)
    frames = [F.normalize(common + torch.randn(*GRID, WIDTH, generator=random), dim=-1) for _ in range(FRAMES + 1)]
    labels = [torch.rand(CHANNELS, *GRID, generator=random) for _ in range(FRAMES)]
    return frames[0], frames[1:], labels


def dense(tokens: Tensor, context: list[Tensor], labels: list[Tensor]) -> Tensor:
    """exp(cosine / temperature) of every pair of patches, zero outside of the neighbourhood, all but the k largest
    of a target patch set to zero, divided by the sum."""
    target, known = tokens.flatten(0, 1), torch.stack(context).flatten(1, 2)  # (N, d), (F, N, d)
    affinity = torch.exp(known @ target.T / OPTIONS.temperature)  # (F, N, N)
    y, x = (part.flatten() for part in torch.meshgrid(*map(torch.arange, GRID), indexing="ij"))  # (N,)
    near = ((y[:, None] - y).abs() <= OPTIONS.radius) & ((x[:, None] - x).abs() <= OPTIONS.radius)  # (N, N)
    affinity = (affinity * near).flatten(0, 1)  # (F N, N)
    affinity[affinity < affinity.topk(OPTIONS.neighbours, dim=0).values[-1]] = 0
    affinity /= affinity.sum(dim=0)
    return (torch.stack(labels, dim=1).flatten(1) @ affinity).unflatten(1, GRID)  # (C, gh, gw)


STEPS: dict[str, Step] = {
    "ours": lambda tokens, context, labels: propagate(tokens, context, labels, OPTIONS),
    "dense": dense,
}


def cost(rounds: int) -> dict[str, object]:
    """Seconds and memory of both ways."""
    tokens, context, labels = scene()
    difference = (STEPS["ours"](tokens, context, labels) - dense(tokens, context, labels)).abs().max().item()
    if difference > 1e-5:
        raise SystemExit(f"ours and the dense step differ by {difference}: nothing is timed")
    seconds: dict[str, list[float]] = {way: [] for way in STEPS}
    for _ in range(rounds):
        for way, step in STEPS.items():
            start = time.process_time()
            step(tokens, context, labels)
            seconds[way].append(time.process_time() - start)
    ratios = [slow / fast for slow, fast in zip(seconds["dense"], seconds["ours"], strict=True)]
    return {
        "patches": GRID,
        "dimensions": WIDTH,
        "frames": FRAMES,
        "threads": torch.get_num_threads(),
        "difference": difference,
        "seconds": seconds,
        "dense / ours": {"median": statistics.median(ratios), "smallest": min(ratios), "largest": max(ratios)},
        "peak_mib": {way: peak(way) for way in STEPS},
    }


def peak(way: str) -> float:
    """MiB of one step above the tokens and labels themselves, in a process of its own."""
    command = [sys.executable, __file__, "peak", "--way", way]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def own_peak(way: str) -> float:
    """The same, of this process."""
    inputs = scene()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.inference_mode():
        STEPS[way](*inputs)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def quality(data: Path, models: list[str], size: int | None, every: int) -> list[dict[str, object]]:
    """Scores of each model and of random weights."""
    results: list[dict[str, object]] = []
    for model, random in [*((model, False) for model in models), (models[0], True)]:
        whole = evaluate("davis-propagation", data, model=model, random_weights=random, size=size, every=every)
        name = "random weights" if random else Path(model).stem
        scores = {x.name: {"value": x.value, "interval": x.interval} for x in whole.scores}
        videos: dict[str, list[float]] = {}
        for row in whole.rows:
            videos.setdefault(row.sequence, []).append((row.values.get("J 1", 1.0) + row.values.get("F 1", 1.0)) / 2)
        first = {video: statistics.mean(values[1:-1]) for video, values in videos.items()}
        frames = len(whole.rows)
        results.append(
            {
                "model": name,
                "size": whole.size,
                "sha256": whole.sha256,
                "frames": frames,
                "every": every,
                "seconds": whole.seconds,
            }
            | {"scores": scores, "J&F of object 1 by video": first}
        )
        print(name, scores["J&F"], flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cost", "quality", "peak"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--models", nargs="+", default=["builtin"])
    parser.add_argument("--size", type=int)
    parser.add_argument("--every", type=int, default=1, help="follow every n-th frame only: harder, and quicker")
    parser.add_argument("--way", choices=tuple(STEPS))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if asked.what == "peak":
        print(own_peak(asked.way))
        return
    with torch.inference_mode():
        found = (
            cost(asked.rounds) if asked.what == "cost" else quality(asked.data, asked.models, asked.size, asked.every)
        )
    text = json.dumps(found, indent=1)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
