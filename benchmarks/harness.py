"""What the scripts of this folder share: data sets, the command line, timing, and the files of results."""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import torch

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.families import family_of
from dinoseg.backbone.spec import BackboneSpec
from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.datasets.base import Dataset
from dinoseg.evaluation.report import versions
from dinoseg.images.find import find
from dinoseg.types import Source

SETS = {"DUTS": "duts", "VOC": "VOC2012", "DAVIS": "DAVIS", "COCO": "coco"}
"""Data sets as tables call them, and their folders below --data."""
HALVES: tuple[Literal["odd", "even"], ...] = ("odd", "even")
"""Of each set: the odd one is quoted, choices are made on the even one."""
RESULTS = Path(__file__).parent / "results"


# The command line.


def command_line(about: str | None, *, output: bool = True, data: bool = False) -> argparse.ArgumentParser:
    """A parser that shows the script's own docstring, with ``-o FILE`` and ``--data FOLDER`` where asked for."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    if data:
        made.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join(SETS.values())}, or some")
    if output:
        made.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="FILE.md and FILE.json")
    return made


def quoted(script: str, words: Sequence[str]) -> str:
    """A script of this folder with its words, as they are published."""
    return shlex.join(["python", f"benchmarks/{script}", *map(public, words)])


def public(word: str) -> str:
    """A word of the command line as it is published: an absolute path would tell of one machine only."""
    return Path(word).name if Path(word).is_absolute() else word


def shortened(text: str) -> str:
    """A whole command line as it is published."""
    return shlex.join(map(public, shlex.split(text)))


# What is measured.


def data_sets(folder: Path, names: Sequence[str] = tuple(SETS)) -> dict[str, Dataset]:
    """Those of ``SETS`` that lie in the folder, by name. Raises ``SystemExit`` where there is none."""
    found = {name: open_dataset(folder / SETS[name]) for name in names if (folder / SETS[name]).exists()}
    if not found:
        raise SystemExit(f"{folder} holds none of {', '.join(SETS[name] for name in names)}")
    return found


def photographs(*places: Path, count: int | None = None) -> list[Source]:
    """All photographs of files and folders, or ``count`` of them, evenly out of the sorted list."""
    sources = [source for source in find(places) if isinstance(source, Source)]
    count = len(sources) if count is None else min(count, len(sources))
    return [sources[i * len(sources) // count] for i in range(count)]


def vit_small(patch: int) -> Backbone:
    """A ViT-S with random weights, the same every time."""
    torch.manual_seed(0)
    spec = BackboneSpec("vit-small", "dino", patch, 384, 12, 6, 1536, 0, "offset", layer_scale=False)
    return family_of(spec.family).new(spec).eval().requires_grad_(False)


# Timing.


def one_thread() -> None:
    """PyTorch and OpenCV compute in this thread alone."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def timed(function: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> tuple[Any, float]:
    """What a function returns, and its seconds: of the processor, which other programs disturb little, by default."""
    start = clock()
    result = function()
    return result, clock() - start


def in_turn(
    ways: Mapping[str, Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """Seconds of each way in each round; in a round each runs once, so that all meet the same machine."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, function in ways.items():
            taken[name].append(timed(function, clock)[1])
    return taken


def spread(values: Sequence[float]) -> list[float]:
    """Median, lowest and highest."""
    return [statistics.median(values), min(values), max(values)]


def paired_ratios(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """``one / other`` round by round: median, lowest and highest."""
    return spread([a / b for a, b in zip(one, other, strict=True)])


def peak_memory(function: Callable[[], Any]) -> float:
    """MiB that this process has at most while a function runs, above what it has before (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins at what is in use
    before = memory("VmRSS")
    function()
    return memory("VmHWM") - before


def memory(name: str) -> float:
    """A line of this process's status, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


# Files of results.


def number(value: float, interval: Sequence[float] | None = None, *, sign: bool = False) -> str:
    """``0.712 [0.690, 0.740]``; differences have signs."""
    form = "+.3f" if sign else ".3f"
    return f"{value:{form}}" + (f" [{interval[0]:{form}}, {interval[1]:{form}}]" if interval else "")


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Markdown; the first column holds the names of rows."""
    lines = [f"| {' | '.join(columns).lstrip()} |", "| --- " * len(columns) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def write(path: Path, page: str, content: Mapping[str, Any], asked: str) -> str:
    """FILE.md and FILE.json, both with the command and the versions; returns the page."""
    foot = ", ".join(f"{name} {version}" for name, version in versions().items())
    text = f"{page.rstrip()}\n\n    {asked}\n\n{foot}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    facts = {"command": asked, "versions": versions()} | dict(content)
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return text
