"""The segmentation head beside the method that taught it: by data set, by number of photographs, by masks given.

    python benchmarks/head.py PHOTOS... --data FOLDER --cache WORK [--photographs N] -o benchmarks/results/head

FOLDER holds duts/, VOC2012/, DAVIS/ and coco/, or some of them. The head that ships, and heads that are trained here
on some of PHOTOS (drawn at random; no picture of FOLDER may be among them), beside `attention-cut` on the same
features with the same refinement. `DUTS cropped`: a random crop of each picture, in which the frame cuts the object
off. `VOC off border`, `VOC on border`: pictures whose objects cover less or more than 10 % of the border. With masks:
some pictures of the even half of DUTS join the photographs, scored on the odd half. IoU is label-free, over images
(every fifth frame, then sequences in DAVIS); differences to `attention-cut` are paired, with 95 % bootstrap intervals.
What was chosen by ground truth was chosen on the even halves: the odd one is the one to quote. Milliseconds are of the
processor, one thread, for method and head alone. WORK keeps what the network says of PHOTOS. Writes FILE.md and
FILE.json.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from harness import SETS, command_line, one_thread, quoted
from tqdm import tqdm

from dinoseg.encoding import Encoded
from dinoseg.evaluation.aggregate import per_unit
from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.datasets.base import Sample, Truth
from dinoseg.evaluation.metrics.masks import jaccard
from dinoseg.evaluation.metrics.resampling import paired_bootstrap
from dinoseg.evaluation.report import Row, versions
from dinoseg.heads.crops import cut_off
from dinoseg.heads.examples import Example, examples
from dinoseg.heads.fitting import fit_head, passes
from dinoseg.images.find import find
from dinoseg.method import Method
from dinoseg.methods import make_method
from dinoseg.methods.grid import border_of
from dinoseg.methods.head_network import save_head
from dinoseg.options import TrainHeadOptions
from dinoseg.pipeline import Proposed, Segmenter, propose, refine
from dinoseg.types import Failure, Source

DAVIS_EVERY = 5
HALVES = ("even", "odd")
ON_BORDER = 0.1
"""Share of the border that objects cover which the frame cuts off."""
GIVEN = (0, 5, 20, 100)
COUNTS = (100, 500, 2000)
BASE = "attention-cut"


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture of a data set as the network sees it."""

    sample: Sample
    truth: Truth
    encoded: Encoded


def pictures(segmenter: Segmenter, data: Path) -> dict[str, dict[str, list[Picture]]]:
    """By set and half."""
    found: dict[str, dict[str, list[Picture]]] = {}
    for name, folder in SETS.items():
        if (data / folder).is_dir():
            dataset = open_dataset(data / folder)
            every = DAVIS_EVERY if name == "DAVIS" else 1
            for half in HALVES:
                seen = [picture(segmenter, s) for s in tqdm(dataset.select(half, every), f"{name} {half}")]
                for part, some in parts_of(segmenter, name, seen).items():
                    found.setdefault(part, {})[half] = some
    return found


def picture(segmenter: Segmenter, sample: Sample) -> Picture:
    return Picture(sample, sample.truth(), segmenter.encoder(sample.image))


def parts_of(segmenter: Segmenter, name: str, seen: list[Picture]) -> dict[str, list[Picture]]:
    """A set, and what the frame cuts off in it."""
    if name == "DUTS":
        return {name: seen, f"{name} cropped": [crop for each in seen if (crop := cropped(segmenter, each))]}
    if name == "VOC":
        on = [bool(p.truth.foreground[border_of(p.truth.foreground.shape)].mean() >= ON_BORDER) for p in seen]
        off = [p for p, cut in zip(seen, on, strict=True) if not cut]
        return {name: seen, f"{name} off border": off, f"{name} on border": list(compress(seen, on))}
    return {name: seen}


def cropped(segmenter: Segmenter, seen: Picture) -> Picture | None:
    """A crop that cuts the object off; None where there is none."""
    truth = seen.truth.foreground
    box = cut_off(truth, np.random.default_rng(crc32(seen.sample.id.encode())))
    if box is None:
        return None
    encoded = segmenter.encoder(np.ascontiguousarray(seen.encoded.photo.pixels[box]))
    return Picture(seen.sample, replace(seen.truth, foreground=truth[box]), encoded)


def scored(segmenter: Segmenter, method: Method, seen: Iterable[Picture]) -> tuple[np.ndarray, list[float]]:
    """IoU of each image or sequence, and milliseconds of each picture."""
    rows, taken = [], []
    for picture in seen:
        encoded, truth = picture.encoded, picture.truth
        start = time.process_time()
        (proposals,) = propose(method, [encoded])
        taken.append(1000 * (time.process_time() - start))
        mask = refine(segmenter.options.refine, Proposed(encoded, proposals)).segmentation.mask
        rows.append(
            Row(
                picture.sample.id,
                {"IoU": jaccard(mask, truth.foreground, truth.void)},
                picture.sample.sequence,
                evidence=None,
            )
        )
    return per_unit(rows, lambda row: row.values["IoU"])[0], taken


def table(segmenter: Segmenter, methods: dict[str, Method], seen: dict[str, dict[str, list[Picture]]]) -> list[Any]:
    """Mean of each method on each half of each set, the first one's difference from all others."""
    lines = []
    for name, halves in seen.items():
        for half, here in halves.items():
            base: np.ndarray | None = None
            for label, method in methods.items():
                values, taken = scored(segmenter, method, here)
                base = values if base is None else base
                gain = {"gain": float(np.mean(values - base)), "interval": paired_bootstrap(base, values)}
                found = {"set": name, "half": half, "method": label, "units": len(values), "IoU": float(values.mean())}
                lines.append({**found, **gain, "ms": statistics.median(taken)})
    return lines


def learned(segmenter: Segmenter, photographs: Sequence[list[Example]], path: Path) -> Method:
    """A head trained on the examples of these, as a method."""
    assert segmenter.backbone is not None
    used = list(chain.from_iterable(photographs))
    network, _ = fit_head(used, passes(len(used)), TrainHeadOptions.seed, torch.device("cpu"))
    save_head(network, path, segmenter.backbone.spec)
    return make_method("head", (f"weights={path}",))


def looked(sources: Sequence[Source | Failure], masks: dict[str, Path]) -> list[list[Example]]:
    """Examples of each photograph that gives one."""
    found = examples(Segmenter(method=BASE, device="cpu"), sources, masks)
    return [each for each in tqdm(found, "look", len(sources)) if isinstance(each, list) and each]


def unlabelled(photos: Sequence[Path], count: int, work: Path) -> list[list[Example]]:
    """Of so many photographs, in the order drawn; kept in ``work``."""
    file = work / f"examples{count}.pt"
    if not file.exists():
        sources = list(find(photos))
        drawn = np.random.default_rng(0).permutation(len(sources))[:count]
        used = looked([sources[i] for i in drawn], {})
        torch.save([[(e.features, e.target, e.weight) for e in each] for each in used], file)
    return [
        [Example(features, target, labelled=False, weight=weight) for features, target, weight in each]
        for each in torch.load(file, weights_only=True)
    ]


def by_count(segmenter: Segmenter, own: Sequence[list[Example]], work: Path) -> dict[str, Method]:
    """Heads of more and more photographs."""
    counts = sorted({min(count, len(own)) for count in COUNTS})
    return {f"{count} photographs": learned(segmenter, own[:count], work / f"n{count}.safetensors") for count in counts}


def by_masks(segmenter: Segmenter, own: Sequence[list[Example]], duts: Path, work: Path) -> dict[str, Method]:
    """Heads of all photographs and of some masks of the even half of DUTS, spread over it."""
    even = open_dataset(duts).select("even")
    spread = np.random.default_rng(0).permutation(len(even))[: max(GIVEN)]
    chosen = [even[i] for i in spread]
    given = looked([Source(s.id, s.image) for s in chosen], {s.id: s.mask for s in chosen})
    return {f"{n} masks": learned(segmenter, [*own, *given[:n]], work / f"m{n}.safetensors") for n in GIVEN}


def tabled(title: str, lines: Sequence[dict[str, Any]]) -> str:
    """Rows of ``table`` in Markdown."""
    shown = [f"| {title} | set | half | IoU | less {BASE} | 95 % | ms |", "| --- |" + " --- |" * 6]
    for x in sorted(lines, key=lambda line: HALVES.index(line["half"]), reverse=True):
        low, high = x["interval"]
        known = f"{x['gain']:+.3f} | {low:+.3f} .. {high:+.3f}" if x["method"] != BASE else "| "
        shown.append(
            f"| {x['method']} | {x['set']} ({x['units']}) | {x['half']} | {x['IoU']:.3f} | {known} | {x['ms']:.1f} |"
        )
    return "\n".join(shown)


def write(path: Path, content: dict[str, Any]) -> None:
    tables = [tabled(title, lines) for title, lines in content["tables"].items()]
    foot = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    intro = (__doc__ or "").split("\n\n", 2)[2].strip()
    parts = ["# The segmentation head", intro, *tables, f"    {content['command']}", foot]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text("\n\n".join(parts) + "\n")
    path.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of unlabelled photographs")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, metavar="WORK", help="a folder")
    parser.add_argument("--photographs", type=int, default=max(COUNTS), metavar="N", help="drawn at random")
    arguments = parser.parse_args(words)
    one_thread()
    work = arguments.cache
    work.mkdir(parents=True, exist_ok=True)
    segmenter = Segmenter(method=BASE, device="cpu")
    base = {BASE: segmenter.method}
    seen = pictures(segmenter, arguments.data)
    own = unlabelled(arguments.photos, arguments.photographs, work)
    duts = {"DUTS": {"odd": seen["DUTS"]["odd"]}}
    masks = by_masks(segmenter, own, arguments.data / SETS["DUTS"], work)
    tables = {
        "the head that ships": table(segmenter, {**base, "head": make_method("head")}, seen),
        "by photographs": table(segmenter, {**base, **by_count(segmenter, own, work)}, seen),
        "by masks given": table(segmenter, {**base, **masks}, duts),
    }
    content = {
        "command": quoted("head.py", words),
        "versions": versions(),
        "photographs": len(own),
        "tables": tables,
    }
    write(arguments.output, content)
    print(arguments.output.with_suffix(".md").read_text(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
