"""Label propagation: what a step costs beside a dense one, and how well objects are followed on DAVIS.

    python benchmarks/propagation.py cost --rounds 5 -o benchmarks/results/propagation_cost
    python benchmarks/propagation.py quality --data DAVIS --models random builtin FILE -o benchmarks/results/propagation

`cost`: one step at 480p, patch 8 (60 x 106 patches, 384 dimensions, 2 channels of labels, 8 frames of context,
neighbourhood 12, top 5), on random tokens, one thread unless OMP_NUM_THREADS says otherwise.

ours   `dinoseg.propagate.propagate`: pairs within the neighbourhood, tile by tile
dense  the whole affinity of all patches with all patches of every frame, masked; restated here plainly
       and checked against ours before anything is timed

Both run in turn in one process; times are of the processor (other programs may run), the ratio is the median over
rounds of paired ratios. Memory is the peak above what was there before, each way in a process of its own.

`quality`: the protocol `davis-propagation` for each model; random: untrained weights in the shape of the built-in's.
The reports lie in FILE.work/, where a run that was stopped goes on. Both write FILE.md and FILE.json.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from harness import command_line, in_turn, number, paired_ratios, peak_memory, quoted, table, write
from methods import MODEL_HELP
from protocol_tables import Network, open_network
from reports import report_of, slug
from torch import Tensor

from dinoseg.evaluation.aggregate import by_sequence
from dinoseg.evaluation.compare import read_rows
from dinoseg.evaluation.report import Score
from dinoseg.options import EvaluateOptions, PropagateOptions
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


def cost(rounds: int) -> dict[str, Any]:
    """Seconds and memory of both ways."""
    tokens, context, labels = scene()
    difference = (STEPS["ours"](tokens, context, labels) - dense(tokens, context, labels)).abs().max().item()
    if difference > 1e-5:
        raise SystemExit(f"ours and the dense step differ by {difference}: nothing is timed")
    seconds = in_turn({way: partial(step, tokens, context, labels) for way, step in STEPS.items()}, rounds)
    ratio = paired_ratios(seconds["dense"], seconds["ours"])
    return {
        "patches": GRID,
        "dimensions": WIDTH,
        "frames": FRAMES,
        "threads": torch.get_num_threads(),
        "difference": difference,
        "seconds": seconds,
        "dense / ours": dict(zip(("median", "smallest", "largest"), ratio, strict=True)),
        "peak_mib": {way: peak(way) for way in STEPS},
    }


def peak(way: str) -> float:
    """MiB of one step above the tokens and labels themselves, in a process of its own."""
    command = [sys.executable, __file__, "peak", "--way", way]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def own_peak(way: str) -> float:
    """The same, of this process (Linux)."""
    inputs = scene()
    with torch.inference_mode():
        return peak_memory(lambda: STEPS[way](*inputs))


COST = """# Label propagation: one step

{height} x {width} patches, {dimensions} dimensions, {frames} frames of context, {rounds} rounds in turn, {threads}
thread(s). Seconds of the processor, median [smallest, largest]; MiB above what was there before. Largest difference of
the two results: {difference:.0e}.
"""


def cost_page(found: dict[str, Any]) -> str:
    """The table of ``cost``."""
    seconds, peaks, ratio = found["seconds"], found["peak_mib"], found["dense / ours"]
    height, width = found["patches"]
    about = found | {"height": height, "width": width, "rounds": len(seconds["ours"])}
    lines = [COST.format(**about), "| | seconds | MiB |", "| --- | --- | --- |"]
    for way, taken in seconds.items():
        spread = f"{statistics.median(taken):.2f} [{min(taken):.2f}, {max(taken):.2f}]"
        lines.append(f"| {way} | {spread} | {peaks[way]:.0f} |")
    times = " [".join(f"{ratio[key]:.1f}" for key in ("median", "smallest")) + f", {ratio['largest']:.1f}]"
    return "\n".join([*lines, f"| dense / ours | {times} | {peaks['dense'] / peaks['ours']:.1f} |", ""])


# Quality.

QUALITY = """# Label propagation on DAVIS

`davis-propagation`: the truth of the first frame is given. 95 % bootstrap intervals over objects, one a video here.
{frames} frames of {videos} videos{thinned}; the short side has 480 px unless another size is named.
"""


def quality(
    data: Path, networks: Sequence[Network], size: int | None, every: int, work: Path
) -> dict[str, dict[str, Any]]:
    """Reports by network, with J&F by video."""
    found = {}
    for network in networks:
        folder = work / slug(network.name, network.sha256[:8], str(size), str(every))
        options = EvaluateOptions(**network.options, size=size, every=every, output=folder, overwrite=True)
        report = report_of("davis-propagation", data, options)
        found[network.name] = report | {"videos": by_video(folder / "scores.csv")}
    return found


def by_video(path: Path) -> dict[str, float]:
    """J&F of the first object, by video."""
    return {
        video[0].sequence: statistics.mean(row.values.get(f"{x} 1", 1.0) for row in video[1:-1] for x in ("J", "F"))
        for video in by_sequence(read_rows(path))
    }


def rows_of(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Score]]:
    """Scores by row and column; floors, which are the same for all, first."""
    rows: dict[str, dict[str, Score]] = {}
    for report in found.values():
        for score in (Score(**score) for score in report["scores"] if score["kind"] == "floor"):
            rows[f"{score.name.removeprefix('J&F ')} (floor)"] = {"J&F": score}
    for name, report in found.items():
        rows[name] = {score["name"]: Score(**score) for score in report["scores"] if score["kind"] != "floor"}
    return rows


def quality_page(found: dict[str, dict[str, Any]]) -> str:
    """The tables of ``quality``."""
    rows, first = rows_of(found), next(iter(found.values()))
    thinned = f", 1 in {first['every']}, which is harder than all of them" if first["every"] > 1 else ""
    lines = [QUALITY.format(frames=first["images"], videos=len(first["videos"]), thinned=thinned)]
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    cells = [[number(row[x].value, row[x].interval) if x in row else "" for x in columns] for row in rows.values()]
    lines.append(table(["", *columns], [[name, *row] for name, row in zip(rows, cells, strict=True)]))
    videos = list(first["videos"])
    by_name = [[name, *(number(report["videos"][video]) for video in videos)] for name, report in found.items()]
    lines += ["", table(["J&F by video", *videos], by_name)]
    lines += ["", *(f"- {name}: sha256 {x['sha256']}, long side {x['size']} px" for name, x in found.items()), ""]
    return "\n".join(lines)


def quality_content(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The same for JSON."""
    rows = rows_of(found)
    scores = [{"row": name, "column": column} | asdict(x) for name, row in rows.items() for column, x in row.items()]
    facts = {
        name: {key: report[key] for key in ("size", "images", "every", "videos")} for name, report in found.items()
    }
    return {"sha256": {name: report["sha256"] for name, report in found.items()}, "facts": facts, "scores": scores}


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__, output=False)
    parser.add_argument("what", choices=("cost", "quality", "peak"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--models", nargs="+", default=["random", "builtin"], metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("--size", type=int)
    parser.add_argument("--every", type=int, default=1, help="follow every n-th frame only: harder, and quicker")
    parser.add_argument("--way", choices=tuple(STEPS))
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    asked = parser.parse_args(words)
    if asked.what == "peak":
        print(own_peak(asked.way))
        return
    if asked.output is None or (asked.what == "quality" and asked.data is None):
        parser.error("-o is needed, and --data for quality")
    if asked.what == "cost":
        with torch.inference_mode():
            content = cost(asked.rounds)
        page = cost_page(content)
    else:
        work = asked.output.with_name(f"{asked.output.name}.work")
        work.mkdir(parents=True, exist_ok=True)
        networks = [open_network(name, work) for name in asked.models]
        found = quality(asked.data, networks, asked.size, asked.every, work)
        content, page = quality_content(found), quality_page(found)
    print(write(asked.output, page, content, quoted("propagation.py", words)), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
