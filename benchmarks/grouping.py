"""How well `dinoseg group` finds classes that it was never told, and what clustering costs for many photographs.

    python benchmarks/grouping.py --classes FOLDER --every 7 --voc FOLDER -o benchmarks/results/grouping

FOLDER of --classes has one folder of photographs per class, that of --voc is VOC2012. Purity and NMI are of regions
against the class of their photograph; VOC's mIoU is over all valid pixels of all pictures, clusters with classes one
to one by IoU (the ground truth matches, and gives K: an ORACLE), mean over the classes that occur. "random weights" is
the network's shape, never trained. Writes FILE.md and FILE.json.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import PIL.Image
from harness import command_line, photographs, quoted, table, write
from numpy.typing import NDArray
from sklearn.metrics import normalized_mutual_info_score

from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.datasets.voc import VOC_CLASSES
from dinoseg.evaluation.metrics.clusters import class_ious, iou_hungarian, table_of
from dinoseg.evaluation.untrained import write_random_weights
from dinoseg.grouping import GroupReport, group
from dinoseg.grouping.clusters import cluster
from dinoseg.grouping.store import Store
from dinoseg.options import SegmentOptions

METHODS: dict[str, tuple[str, tuple[str, ...]]] = {
    "one": ("attention-cut", ()),
    "several": ("spectral", ("regions=many",)),
}
"""How many objects a photograph has -> method and parameters."""
REGIONS = 3
"""Per photograph, in the measurement of cost."""


def records(output: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, (output / "manifest.jsonl").read_text(encoding="utf-8").splitlines())


def purity(table: NDArray[np.int64]) -> float:
    """Share of what lies in the most frequent class of its cluster, from counts ``(clusters, classes)``."""
    return float(table.max(axis=1).sum() / table.sum())


def by_folder(output: Path, photos: Sequence[Path]) -> dict[str, float]:
    """Purity and NMI of regions against the folder of their photograph; names must differ in all folders."""
    folders = {photo.name: photo.parent.name for photo in photos}
    pairs = [(x["cluster"], folders[Path(line["id"]).name]) for line in records(output) for x in line["objects"]]
    clusters, classes = (np.unique(column, return_inverse=True)[1] for column in zip(*pairs, strict=True))
    return {
        "regions": len(pairs),
        "purity": purity(np.histogram2d(clusters, classes, (clusters.max() + 1, classes.max() + 1))[0]),
        "NMI": float(normalized_mutual_info_score(classes, clusters)),
    }


def by_pixel(output: Path, voc: Path) -> dict[str, float]:
    """mIoU of the label maps against VOC's classes, matched one to one by IoU."""
    total = np.zeros((256, 1 + len(VOC_CLASSES)), np.int64)
    for line in records(output):
        found = np.array(PIL.Image.open(output / line["files"]["semantic"]))
        truth = np.array(PIL.Image.open(voc / "SegmentationClass" / Path(line["id"]).with_suffix(".png").name))
        total += table_of(found, truth, (256, 1 + len(VOC_CLASSES)))
    return {"mIoU": float(np.nanmean(class_ious(total, iou_hungarian(total))))}


def voc_classes(voc: Path) -> int:
    return len({name for sample in open_dataset(voc).samples for name in sample.truth().classes})


def told(report: GroupReport) -> dict[str, Any]:
    return {"photographs": report.photographs, "K": len(report.groups), "bic_by_count": report.tried}


def quality(arguments: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """A row for each network, method and K."""
    untrained = folder / "random.safetensors"
    write_random_weights(SegmentOptions(model=arguments.model), untrained)
    listing = photographs(arguments.classes) if arguments.classes else []
    photos = [Path(str(source.content)) for source in listing][:: arguments.every]
    classes = len({photo.parent for photo in photos})
    for model, network in ((arguments.model, arguments.model), (str(untrained), "random weights")):
        for name in arguments.objects:
            method, param = METHODS[name]
            facts = {"network": network, "objects": name}
            asked: dict[str, Any] = {"model": model, "method": method, "param": param}
            if photos:
                for clusters in (classes, None):
                    out = folder / f"classes {network} {method}"
                    report = group(photos, output=out, clusters=clusters, **asked)
                    yield facts | told(report) | {"asked": clusters or "auto"} | by_folder(out, photos)
            if arguments.voc:
                out = folder / f"voc {network} {method}"
                images = [sample.image for sample in open_dataset(arguments.voc).select(arguments.split)]
                report = group(images, output=out, clusters=voc_classes(arguments.voc), **asked)
                yield facts | told(report) | {"asked": "classes of VOC"} | by_pixel(out, arguments.voc)


def cost_of(photographs: int, queue: Any) -> None:
    """Seconds and peak memory of clustering synthetic descriptors, in a process of its own."""
    random = np.random.default_rng(0)
    kinds = random.normal(size=(20, 384))
    with TemporaryDirectory() as folder, Store(Path(folder)) as store:
        for _ in range(photographs // 1000):
            rows = kinds[random.integers(20, size=1000 * REGIONS)] + random.normal(size=(1000 * REGIONS, 384))
            store.add((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows = []
        for clusters in (20, None):
            start = time.perf_counter()
            found = cluster(store, clusters)
            seconds = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            facts = {"photographs": photographs, "rows": len(store), "asked": clusters or "auto", "K": found.count}
            rows.append(facts | {"seconds": round(seconds, 1), "peak_MiB": round(peak), "before_MiB": round(before)})
    queue.put(rows)


def cost(counts: Sequence[int]) -> list[dict[str, Any]]:
    found = []
    for count in counts:
        context = multiprocessing.get_context("spawn")
        queue = context.Queue()
        process = context.Process(target=cost_of, args=(count, queue))
        process.start()
        found += queue.get()
        process.join()
    return found


def tabled(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    def shown(value: Any) -> str:
        return f"{value:.3f}" if isinstance(value, float) and not value.is_integer() else str(value)

    return table(columns, [[shown(row.get(column, "")) for column in columns] for row in rows])


HEAD = f"""# Grouping a folder

Regions against the class folders they come from (purity, NMI), label maps against VOC's classes (mIoU, ORACLE: the
ground truth gives K and matches clusters with classes). Below: what clustering alone costs, on synthetic descriptors,
{REGIONS} a photograph.
"""


def publish(path: Path, found: list[dict[str, Any]], costs: list[dict[str, Any]], asked: str) -> None:
    columns = ("network", "objects", "photographs", "asked", "K", "regions", "purity", "NMI", "mIoU")
    tables = [tabled(found, columns)] if found else []
    tables += (
        [tabled(costs, ("photographs", "rows", "asked", "K", "seconds", "before_MiB", "peak_MiB"))] if costs else []
    )
    write(path, "\n\n".join([HEAD.rstrip(), *tables]), {"quality": found, "cost": costs}, asked)


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("--classes", type=Path, help="a folder with one folder of photographs per class")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every N-th of these photographs")
    parser.add_argument("--voc", type=Path, help="VOC2012")
    parser.add_argument("--split", choices=("all", "even", "odd"), default="odd", help="of VOC")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--objects", nargs="+", choices=list(METHODS), default=list(METHODS), help="per photograph")
    parser.add_argument("--cost", type=int, nargs="*", default=[10_000, 100_000], help="photographs, synthetic")
    parser.add_argument("--work", type=Path, help="folder of the runs (default: a temporary one)")
    arguments = parser.parse_args(words)
    asked = quoted("grouping.py", words)
    found: list[dict[str, Any]] = []
    costs = cost(arguments.cost)
    publish(arguments.output, found, costs, asked)
    with TemporaryDirectory() as temporary:
        folder = arguments.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for row in quality(arguments, folder):
            found.append(row)
            publish(arguments.output, found, costs, asked)
            print(row, file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
