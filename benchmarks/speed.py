"""Speed and quality by runtime, size and method: images a second of the whole road beside IoU, and the start.

    python benchmarks/speed.py duts VOC2012 --before CHECKOUT -o benchmarks/results/speed

Speed: `dinoseg segment` of the photographs of the first data set into a folder, in a process of its own, its start
included; the variants take turns, the median of --rounds with the least and the most. Quality: foreground IoU on both,
even and odd halves, and the paired difference from float32 in PyTorch with its 95 % bootstrap interval. Start: a
process that segments one photograph, from call to exit, and its largest memory. Processors: four photographs through
the network, PyTorch against OpenVINO, under what oneDNN may use. CHECKOUT is another version, timed likewise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from harness import command_line, quoted

import dinoseg
from dinoseg.evaluation.metrics.resampling import bootstrap
from dinoseg.evaluation.report import versions
from dinoseg.images.find import find

HERE = Path(__file__).parents[1]
CUT = ["--method", "attention-cut"]
TORCH = "attention-cut in torch, 320 px"
VARIANTS: dict[str, list[str]] = {
    TORCH: [*CUT, "--runtime", "torch"],
    "attention-cut, 320 px": CUT,
    "default (head), 320 px": [],
    "280 px": ["--size", "280"],
    "240 px": ["--size", "240"],
    "200 px": ["--size", "200"],
}
"""All but the first in the default runtime. The first is what the default was before there was another runtime."""
PROCESSORS = ("", "AVX512_CORE_BF16", "AVX512_CORE_VNNI", "AVX512_CORE", "AVX2_VNNI", "AVX2")
"""Values of ONEDNN_MAX_CPU_ISA; the first is all that there is."""
PASS = """
import time
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from dinoseg.backbone.runtime import load_network
from dinoseg.backbone.processor import precision
from dinoseg.options import ModelOptions
pixels = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
networks = [load_network(ModelOptions(runtime=name)) for name in ("torch", "openvino")]
taken = ([], [])
with ThreadPoolExecutor(networks[1].parallel) as threads:
    for _ in range(6):
        for network, seconds in zip(networks, taken):
            run = map if network.parallel == 1 else threads.map
            begun = time.perf_counter()
            list(run(lambda _: network.encode([pixels], (24, 32), ("token",)), range(4)))
            seconds.append(time.perf_counter() - begun)
print(networks[1].runtime, precision(), *(np.median(seconds[1:]) for seconds in taken), sep="|")
"""


LAUNCH = """
import os, sys
pid = os.posix_spawn(sys.executable, sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, flush=True)
sys.exit(status != 0)
"""
"""Starts the process that is measured: the memory of the one that starts it counts as its own."""


def run(words: Sequence[str], checkout: Path = HERE, **environment: str) -> tuple[str, float, float]:
    """A Python process: what it prints, its seconds from call to exit, and its largest memory in MiB."""
    begun = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCH, sys.executable, *words],
        cwd=checkout,  # else `-m` takes what lies here
        env=os.environ | {"PYTHONPATH": str(checkout)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begun
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} failed")
    text, _, memory = process.stdout.rstrip().rpartition("\n")
    return text, seconds, int(memory) / 1024


def speeds(photographs: Path, before: Path | None, rounds: int) -> dict[str, list[float]]:
    """Images a second of each variant, round by round."""
    variants = {name: (HERE, words) for name, words in VARIANTS.items()}
    if before:
        variants = {"before": (before, []), **variants}
    found: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, (checkout, words) in variants.items():
            with TemporaryDirectory() as folder:
                line = ["-m", "dinoseg", "segment", str(photographs.resolve()), "-o", f"{folder}/out", "--json", *words]
                text, seconds, _ = run(line, checkout)
            found[name].append(json.loads(text)["done"] / seconds)
            print(f"{name}: {found[name][-1]:.1f} images/s", file=sys.stderr)
    return found


def starts(photograph: str, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds and MiB of processes that do one thing, round by round."""
    lines = {
        "import torch": ["-c", "import torch"],
        "segment one photograph": ["-m", "dinoseg", "segment", photograph, "-o", "OUT"],
        "segment one photograph, --runtime torch": [
            "-m",
            "dinoseg",
            "segment",
            photograph,
            "-o",
            "OUT",
            "--runtime",
            "torch",
        ],
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in lines}
    for _ in range(rounds):
        for name, words in lines.items():
            with TemporaryDirectory() as folder:
                _, seconds, memory = run([f"{folder}/out" if word == "OUT" else word for word in words])
            found[name].append((seconds, memory))
    return found


def qualities(data: Path) -> Iterator[tuple[str, list[float]]]:
    """IoU by picture of each variant."""
    for name, words in VARIANTS.items():
        options = {key.removeprefix("--"): value for key, value in zip(words[::2], words[1::2], strict=True)}
        size = {"size": int(options.pop("size"))} if "size" in options else {}
        report = dinoseg.evaluate("foreground", data, **options, **size)
        yield name, [row.values["IoU"] for row in report.rows]
        print(
            f"{data.name}, {name}: {np.mean(report.rows and [row.values['IoU'] for row in report.rows]):.4f}",
            file=sys.stderr,
        )


def quality_page(name: str, ious: dict[str, list[float]]) -> list[str]:
    """The table of one data set."""
    lines = [f"\n## {name}\n", "| | even | odd | odd, against torch |", "| --- | --- | --- | --- |"]
    base = np.array(ious[TORCH])
    for variant, values in ious.items():
        found = np.array(values)
        gain = (found - base)[1::2]
        low, high = bootstrap(gain[:, None])
        lines.append(
            f"| {variant} | {found[::2].mean():.4f} | {found[1::2].mean():.4f} | "
            f"{gain.mean():+.4f} [{low:+.4f}, {high:+.4f}] |"
        )
    return lines


def page(facts: dict[str, Any]) -> str:
    """The results as a page."""
    lines = [
        "# Speed and quality\n",
        f"`{facts['command']}` on {facts['cores']} cores. Ratios count: the machine is shared.\n",
        "| | images/s (least, most) | against torch |",
        "| --- | --- | --- |",
    ]
    base = median(facts["speed"][TORCH])
    for name, found in facts["speed"].items():
        middle = median(found)
        lines.append(f"| {name} | {middle:.1f} ({min(found):.1f}, {max(found):.1f}) | {middle / base:.2f} x |")
    lines += ["\n## Start\n", "| | seconds (least, most) | MiB |", "| --- | --- | --- |"]
    for name, rows in facts["start"].items():
        seconds, memory = zip(*rows, strict=True)
        lines.append(
            f"| {name} | {median(seconds):.2f} ({min(seconds):.2f}, {max(seconds):.2f}) | {median(memory):.0f} |"
        )
    lines += ["\n## Processors: four photographs through the network\n"]
    lines += [
        "| ONEDNN_MAX_CPU_ISA | OpenVINO as | OpenVINO against torch | `auto` takes |",
        "| --- | --- | --- | --- |",
    ]
    for isa, (kind, chosen, torch_seconds, seconds) in facts["passes"].items():
        takes = "torch" if chosen == "None" else "openvino"
        lines.append(f"| {isa or 'all'} | {kind} | {float(torch_seconds) / float(seconds):.2f} x | {takes} |")
    for name, ious in facts["quality"].items():
        lines += quality_page(name, ious)
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("data", type=Path, nargs="+", help="data sets of the protocol `foreground`")
    parser.add_argument("--before", type=Path, help="a checkout of another version")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    photographs = arguments.data[0] / "images"
    first = next(iter(find([photographs])))
    speed = speeds(photographs, arguments.before, arguments.rounds)
    start = starts(str(photographs.resolve() / first.id.split("/")[-1]), arguments.rounds + 2)
    passes = {isa: run(["-c", PASS], ONEDNN_MAX_CPU_ISA=isa)[0].strip().split("|") for isa in PROCESSORS}
    quality = {data.name: dict(qualities(data)) for data in arguments.data}

    facts = {"command": quoted("speed.py", sys.argv[1:]), "cores": os.cpu_count(), "versions": versions()}
    facts |= {"speed": speed, "start": start, "passes": passes, "quality": quality}
    arguments.output.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
    arguments.output.with_suffix(".md").write_text(page(facts))


if __name__ == "__main__":
    main()
