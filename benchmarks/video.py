"""Masks of videos on DAVIS: frame by frame against smoothed over time, how steady they are, and what that costs.

    python benchmarks/video.py quality --data DAVIS -o benchmarks/results/video
    python benchmarks/video.py memory --video DAVIS/JPEGImages/480p/dog -o benchmarks/results/video_memory

`quality`: J&F is that of the protocol `davis-unsupervised` (union of all objects, every frame, mean over sequences). T
is the IoU of successive masks, the earlier one moved along the optical flow (temporal consistency, Liu et al. 2020;
flow by dense inverse search, Kroeger et al. 2016); "plain" is the same without flow. The truth's own T and floors stand
beside. All that was chosen by ground truth was chosen on the even half of the sequences: quote the odd one.

`memory`: peak of the process on one video shown once, and again and again, forwards and backwards.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from harness import command_line, quoted, write

from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.datasets.base import Sample
from dinoseg.evaluation.metrics.floors import FLOORS
from dinoseg.evaluation.metrics.masks import Mask, boundary_f, jaccard
from dinoseg.evaluation.metrics.stability import stability
from dinoseg.smoothing import segment_video
from dinoseg.types import Failure

WAYS: dict[str, dict[str, Any]] = {
    "frame by frame": {"reach": 0},
    "smoothed, still things kept (`--keep-still`)": {"keep_still": True},
    "smoothed": {},
}
TIMES = (40, 400)
"""Frames of the two videos whose memory is compared."""
Masks = Callable[[Sequence[Sample]], Iterator[Mask]]


def by_way(options: dict[str, Any]) -> Masks:
    """The masks of dinoseg."""

    def masks(video: Sequence[Sample]) -> Iterator[Mask]:
        for result in segment_video(Path(str(video[0].image)).parent, **options):
            if isinstance(result, Failure):
                raise result.error
            yield result.mask

    return masks


def of_truth(video: Sequence[Sample]) -> Iterator[Mask]:
    """The annotated masks."""
    return (sample.truth().foreground for sample in video)


def of_floor(name: str) -> Masks:
    """The same mask in every frame."""
    return lambda video: (FLOORS[name](sample.truth().foreground.shape) for sample in video)


def measured(masks: Masks, video: Sequence[Sample]) -> dict[str, float]:
    """Means over a video, and seconds a frame."""
    found: dict[str, list[float]] = {name: [] for name in ("J", "F", "T", "plain")}
    before = grey = None
    start = time.perf_counter()
    drawn = list(masks(video))
    seconds = (time.perf_counter() - start) / len(video)
    for sample, mask in zip(video, drawn, strict=True):
        truth, seen = sample.truth(), cv2.imread(str(sample.image), cv2.IMREAD_GRAYSCALE)
        assert seen is not None
        found["J"].append(jaccard(mask, truth.foreground, truth.void))
        found["F"].append(boundary_f(mask, truth.foreground, truth.void))
        if before is not None and grey is not None:
            flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(seen, grey, None)  # type: ignore[call-overload]
            found["T"].append(stability(before, mask, flow))
            found["plain"].append(jaccard(before, mask))
        before, grey = mask, seen
    means = {name: float(np.mean(values)) for name, values in found.items()}
    return means | {"J&F": (means["J"] + means["F"]) / 2, "seconds": seconds}


def quality(data: Path) -> dict[str, Any]:
    """All ways on both halves: half -> way -> sequence -> values."""
    dataset = open_dataset(data, None)
    ways = {name: by_way(options) for name, options in WAYS.items()}
    ways |= {f"floor: {name}": of_floor(name) for name in FLOORS} | {"the truth itself": of_truth}
    result: dict[str, Any] = {}
    for half in ("odd", "even"):
        videos = {name: list(each) for name, each in groupby(dataset.select(half), lambda sample: sample.sequence)}
        result[half] = {
            way: {name: measured(masks, video) for name, video in videos.items()} for way, masks in ways.items()
        }
    return result


def quality_page(result: dict[str, Any]) -> str:
    """The tables in Markdown."""
    lines = ["# Masks of videos", "", *(__doc__ or "").split("\n\n")[2].splitlines(), ""]
    for half, ways in result.items():
        names = list(next(iter(ways.values())))
        lines += [f"## {half} half", "", f"| masks | J&F | J | F | T | T plain | {' | '.join(names)} |"]
        lines += ["|---" * (6 + len(names)) + "|"]
        for way, videos in ways.items():
            means = {key: np.mean([video[key] for video in videos.values()]) for key in ("J&F", "J", "F", "T", "plain")}
            cells = [f"{means[key]:.3f}" for key in means] + [f"{video['J&F']:.3f}" for video in videos.values()]
            lines.append(f"| {way} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(
        [*lines, "Per sequence: J&F. Three sequences a half, 40 frames each: no interval is worth its name."]
    )


def memory(video: Path) -> dict[str, Any]:
    """Peak memory in MiB by the number of frames."""
    files = sorted(video.iterdir())
    there_and_back = cycle([*files, *files[-2:0:-1]])
    peaks = {}
    for times in TIMES:
        with TemporaryDirectory() as folder:
            for index, file in enumerate(islice(there_and_back, times)):
                shutil.copyfile(file, Path(folder) / f"{index:05d}{file.suffix}")
            program = (
                "import resource, sys; from dinoseg.smoothing import segment_video\n"
                "n = sum(1 for _ in segment_video(sys.argv[1]))\n"
                "print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
            )
            words = [sys.executable, "-c", program, folder]
            told = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ).stdout.split()
            peaks[int(told[0])] = round(float(told[1]))
    return {"peak_mib": peaks}


def memory_page(result: dict[str, Any]) -> str:
    """The table in Markdown."""
    rows = [f"| {frames} | {peak} |" for frames, peak in result["peak_mib"].items()]
    return "\n".join(["# Memory of a video", "", "| frames | peak, MiB |", "|---|---|", *rows])


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("what", choices=("quality", "memory"))
    parser.add_argument("--data", type=Path, metavar="DAVIS", help="of quality")
    parser.add_argument("--video", type=Path, metavar="FRAMES", help="of memory: a folder of frames")
    arguments = parser.parse_args(words)
    needed = arguments.data if arguments.what == "quality" else arguments.video
    if needed is None:
        parser.error("quality needs --data, memory --video")
    asked = quoted("video.py", words)
    content = quality(needed) if arguments.what == "quality" else memory(needed)
    page = quality_page(content) if arguments.what == "quality" else memory_page(content)
    print(write(arguments.output, page, content, asked), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
