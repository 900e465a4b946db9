"""The whole training step of DINO through this project's feed and through the reference one, in one run.

    python benchmarks/training_step.py PHOTOS [--device cuda] [--seconds 8] [--compile tiny] -o FILE

2 x 128 + 8 x 48 px crops, patch 8, the published head, mixed precision as `train` has it.

ours        photographs held on the device (`--cache device`), all views of a batch made there at once
reference   a DataLoader of torchvision's transforms, photograph by photograph, in min(16, cores) workers that decode
            every time; the same network, the same step (parts of a batch are joined, so that batches come evenly)
tf32        ours, with the float32 products of head and views in TF32
compiled    ours, with `torch.compile` over the tokens of student and teacher, and over the loss

Images/s are medians over windows of a measurement, with their range; a window is a tenth of it, or one step. Time is
split where it passes, on the device's own line (events in its stream; on a CPU, the clock): `waiting` from the end of
a step until its next photographs are there, `views` until crops are ready for the network, and the rest is learning.
Operations are counted by `torch.utils.flop_counter` in one step (products, convolutions and attention of the student
forward and backward, and of the teacher forward); their peak is what one large product reaches here in bfloat16.
Memory is the most that PyTorch had allocated, photographs included. Writes FILE.md and FILE.json after every part.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import torch
from harness import command_line, photographs, quoted
from reference_feed import ReferencePhotos
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from dinoseg.evaluation.report import versions
from dinoseg.options import TrainOptions
from dinoseg.training.cache import SHORT_SIDE, DeviceCache
from dinoseg.training.feeds import hold
from dinoseg.training.learner import Batch
from dinoseg.training.recipe import DINO
from dinoseg.training.schedules import Schedules
from dinoseg.types import Source

NETWORKS = {"tiny": (192, 3), "small": (384, 6)}
"""Width and heads."""
PARTS = ("waiting", "views", "learning")
WARM = 3
"""Steps before a measurement; of the reference as many as use up what its workers made ahead."""
PART = 32
"""Photographs that a worker of the reference makes at once."""
AHEAD = 2
SHARED_MEMORY = Path("/dev/shm")
COLUMNS = ("network", "way", "images/s", *PARTS, "of peak", "memory, GiB")

Crops = tuple[Tensor, Tensor]


class Clock:
    """Marks on a device's line of time."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"

    def mark(self) -> Any:
        """Now, where the device has come to."""
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, start: Any, end: Any) -> float:
        """Seconds between two marks that the device has passed."""
        return float(start.elapsed_time(end)) / 1000 if self.cuda else end - start


class Ours:
    """Photographs on the device, views of a whole batch at once."""

    def __init__(self, sources: Sequence[Source], batch: int, device: torch.device) -> None:
        cache = hold(sources, round(SHORT_SIDE * 128), bar=False)
        self.photos, self.batch = DeviceCache(cache, device), batch

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels and indices, shuffled, for ever."""
        generator = torch.Generator().manual_seed(0)
        for _ in count():
            order = torch.randperm(len(self.photos), generator=generator)
            for indices in order.split(self.batch)[: len(order) // self.batch]:
                yield self.photos.batch(indices), indices

    def crops(self, learner: DINO, batch: tuple[Tensor, Tensor]) -> Crops:
        """As ``Trainer.prepare`` makes them."""
        pixels, indices = batch
        whole = Batch(pixels, self.photos.sizes[indices], indices, 0, slice(len(indices)))
        return learner.prepare(whole, torch.Generator().manual_seed(int(indices[0])))


class Reference:
    """A DataLoader; the same one for all networks."""

    def __init__(self, sources: Sequence[Source], batch: int, device: torch.device) -> None:
        self.device, self.batch = device, batch
        self.workers = min(16, os.cpu_count() or 1)
        self.part = self.fitting(math.gcd(PART, batch))
        self.loader = DataLoader(
            ReferencePhotos(sources, 128, 48, 8),
            batch_size=self.part,
            shuffle=True,
            drop_last=True,
            num_workers=self.workers,
            prefetch_factor=AHEAD,
            pin_memory=device.type == "cuda",
            persistent_workers=True,
        )
        self.parts = (part for _ in count() for part in self.loader)

    def fitting(self, part: int) -> int:
        """A part of which all that wait have room in the memory that processes share."""
        photo = 4 * 3 * (2 * 128**2 + 8 * 48**2)  # bytes
        room = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.exists() else math.inf
        while part > 1 and 2 * self.workers * AHEAD * part * photo > room:
            part //= 2
        return part

    def batches(self) -> Iterator[list[list[Tensor]]]:
        """Enough parts for a batch, for ever."""
        while True:
            yield [next(self.parts) for _ in range(self.batch // self.part)]

    def crops(self, learner: DINO, batch: list[list[Tensor]]) -> Crops:  # noqa: ARG002 (called as those of Ours)
        """To the device."""
        by_view = zip(*batch, strict=True)
        views = [torch.cat([part.to(self.device, non_blocking=True) for part in parts]) for parts in by_view]
        return torch.stack(views[:2]), torch.stack(views[2:])

    def close(self) -> None:
        """End the workers."""
        self.parts.close()
        del self.loader

    @property
    def ahead(self) -> int:
        """Steps that may be ready when a measurement begins."""
        return -(-self.workers * AHEAD * self.part // self.batch) + 1


@dataclass
class Run:
    """What a measurement saw of each step."""

    batch: int
    ends: list[float] = field(default_factory=list)
    """Seconds of the clock on the wall."""
    marks: list[tuple[Any, Any, Any]] = field(default_factory=list)
    """Learned, photographs there, crops there."""

    def speeds(self) -> list[float]:
        """Images/s of each window."""
        steps = len(self.ends) - 1
        length = max(1, steps // 10)
        cuts = self.ends[::length]
        return [length * self.batch / (end - start) for start, end in pairwise(cuts)]

    def shares(self, clock: Clock) -> dict[str, float]:
        """Of the device's time, by part."""
        whole = clock.between(self.marks[0][0], self.marks[-1][0])
        waiting = sum(clock.between(learned, there) for learned, there, _ in self.marks[:-1])
        views = sum(clock.between(there, ready) for _, there, ready in self.marks[:-1])
        return dict(zip(PARTS, (waiting / whole, views / whole, 1 - (waiting + views) / whole), strict=True))


def run(learner: DINO, way: Any, batch: int, seconds: float, warm: int = WARM) -> Run:
    """Steps as ``Trainer`` makes them: the next views are asked for before a step is waited for."""
    clock, seen = Clock(learner.device), Run(batch)
    settings = Schedules(learner.options, 10, batch).at(10 * learner.options.epochs // 2)
    batches = way.batches()
    crops = way.crops(learner, next(batches))
    for step in count():
        shown = learner.step(settings, *crops)
        learned = clock.mark()
        photographs = next(batches)
        there = clock.mark()
        crops = way.crops(learner, photographs)
        ready = clock.mark()
        if not shown.loss < float("inf"):
            raise SystemExit(f"the loss became {shown.loss}")
        if step >= warm:
            seen.ends.append(time.perf_counter())
            seen.marks.append((learned, there, ready))
        if len(seen.ends) > 2 and seen.ends[-1] - seen.ends[0] > seconds:
            break
    if clock.cuda:
        torch.cuda.synchronize()
    return seen


def new_learner(network: str, batch: int, device: torch.device) -> DINO:
    width, heads = NETWORKS[network]
    torch.manual_seed(0)
    return DINO(TrainOptions(output=Path("none"), patch=8, width=width, heads=heads, batch=batch), device)


def count_operations(learner: DINO, way: Any, batch: int) -> float:
    """Floating-point operations of one step, per photograph; attention as plain products, counted on all devices."""
    some = min(8, batch)
    crops = [views[:, :some] for views in way.crops(learner, next(way.batches()))]
    settings = Schedules(learner.options, 10, batch).at(10 * learner.options.epochs // 2)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        _ = learner.step(settings, *crops).loss
    return counter.get_total_flops() / some


def peak(device: torch.device) -> float:
    """Operations per second of one large product in bfloat16: the best of several rounds."""
    side, rounds = (8192, 10) if device.type == "cuda" else (1024, 3)
    matrix, clock, best = torch.randn(side, side, device=device).bfloat16(), Clock(device), 0.0
    for _ in range(rounds):
        start = clock.mark()
        for _ in range(5):
            _ = matrix @ matrix
        end = clock.mark()
        if clock.cuda:
            torch.cuda.synchronize()
        best = max(best, 5 * 2 * side**3 / clock.between(start, end))
    return best


class Table:
    """All measurements, in their files after each."""

    def __init__(self, output: Path, command: str, device: torch.device) -> None:
        self.output, self.device = output, device
        self.found: dict[str, Any] = {
            "command": command,
            "versions": versions(),
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
            "peak_operations_per_second": peak(device),
            "rows": [],
        }

    def measure(
        self, network: str, name: str, learner: DINO, way: Any, operations: float, seconds: float, warm: int = WARM
    ) -> None:
        """One row."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seen = run(learner, way, learner.options.batch, seconds, warm)
        speeds = seen.speeds()
        speed = statistics.median(speeds)
        row = {
            "network": network,
            "way": name,
            "batch": learner.options.batch,
            "images_per_second": [speed, min(speeds), max(speeds)],
            "windows": len(speeds),
            "shares": seen.shares(Clock(self.device)),
            "operations_per_image": operations,
            "of_peak": speed * operations / self.found["peak_operations_per_second"],
            "memory_gib": torch.cuda.max_memory_allocated() / 2**30 if self.device.type == "cuda" else None,
        }
        self.found["rows"].append(row)
        self.write()

    def write(self) -> None:
        """Both files."""
        self.output.with_suffix(".json").write_text(json.dumps(self.found, indent=1) + "\n")
        self.output.with_suffix(".md").write_text(self.text())

    def text(self) -> str:
        """As Markdown."""
        found = self.found
        lines = ["# The whole training step", "", found["what"], "", row_of(COLUMNS), row_of(["---"] * len(COLUMNS))]
        lines += [row_of(self.cells(row)) for row in found["rows"]]
        lines += ["", *(f"{network}: {told}" for network, told in self.ratios().items()), ""]
        lines += [f"    {found['command']}", "", ", ".join(f"{k} {v}" for k, v in found["versions"].items())]
        return "\n".join(lines) + "\n"

    def cells(self, row: dict[str, Any]) -> list[str]:
        """One line of the table."""
        head = [f"ViT-{row['network'].capitalize()}/8", row["way"]]
        shares = [f"{row['shares'][part]:.1%}" for part in PARTS]
        memory = "" if row["memory_gib"] is None else f"{row['memory_gib']:.1f}"
        speed = "{:.4g} ({:.4g}..{:.4g})".format(*row["images_per_second"])
        return [*head, speed, *shares, f"{row['of_peak']:.1%}", memory]

    def ratios(self) -> dict[str, str]:
        """Ours over the reference, by network."""
        speeds = {(row["network"], row["way"]): row["images_per_second"][0] for row in self.found["rows"]}
        return {
            f"ViT-{network.capitalize()}/8": f"{speed / speeds[network, 'reference']:.3g} times the reference's rate"
            for (network, way), speed in speeds.items()
            if way == "ours" and (network, "reference") in speeds
        }


def row_of(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def compiled(learner: DINO) -> DINO:
    """The same, with what is large of it compiled at its first step."""
    for network in (learner.student, learner.teacher):
        network.backbone.tokens = torch.compile(network.backbone.tokens, dynamic=False)  # type: ignore[method-assign]
    learner.loss.forward = torch.compile(learner.loss.forward, dynamic=False)  # type: ignore[method-assign]
    return learner


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=[*NETWORKS])
    parser.add_argument("--compile", nargs="+", choices=NETWORKS, default=[], help="networks that are compiled as well")
    arguments = parser.parse_args()
    device, batch, seconds = torch.device(arguments.device), arguments.batch, arguments.seconds
    sources = photographs(arguments.photos)
    ours, reference = Ours(sources, batch, device), Reference(sources, batch, device)
    table = Table(arguments.output, quoted("training_step.py", sys.argv[1:]), device)
    table.found["what"] = (
        f"{table.found['device']}, {os.cpu_count()} cores; batches of {batch} of {len(sources)} photographs "
        f"({ours.photos.pixels.nbytes / 2**20:.0f} MiB decoded); {reference.workers} workers of the reference, which "
        f"hand over {reference.part} at a time; one large product reaches "
        f"{table.found['peak_operations_per_second'] / 1e12:.3g} TFLOP/s."
    )
    operations = {}
    for network in arguments.networks:
        learner = new_learner(network, batch, device)
        operations[network] = count_operations(learner, ours, batch)
        table.measure(network, "ours", learner, ours, operations[network], seconds)
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            table.measure(network, "tf32", learner, ours, operations[network], seconds / 2)
            torch.set_float32_matmul_precision("highest")
    for network in arguments.networks:
        learner = new_learner(network, batch, device)
        table.measure(network, "reference", learner, reference, operations[network], seconds, reference.ahead)
    reference.close()
    for network in arguments.compile:
        learner = compiled(new_learner(network, batch, device))
        table.measure(network, "compiled", learner, ours, operations[network], seconds / 2)
    print(table.text())


if __name__ == "__main__":
    main()
