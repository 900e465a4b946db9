"""How well ``presence`` tells crops with an object from crops without one, against simpler scores.

    python benchmarks/presence.py --data FOLDER --models builtin PATH -o benchmarks/results/presence
    python benchmarks/presence.py --data FOLDER --models builtin --fit

FOLDER holds duts/, VOC2012/, DAVIS/ and coco/, or some of them. From each picture come three views of one size in px:
a crop that no object's mask touches, a crop of which objects cover 10 to 70 %, and the whole picture shrunk. Where a
picture has no room for both crops it is left out. The even half (of the sorted list; of the sequences in DAVIS) is for
fitting and the odd half for reporting. ``--fit`` prints the coefficients for ``dinoseg/methods/presence.py``. Writes
FILE.md, FILE.json and FILE.png. ``--cache`` keeps what the network gives, so that the next run needs seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from harness import SETS, command_line, quoted
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve
from tqdm import tqdm

from dinoseg.backbone.features import Features
from dinoseg.encoding import Encoded
from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.datasets.base import Sample, Truth
from dinoseg.evaluation.predictions.method import open_segmenter
from dinoseg.evaluation.report import versions
from dinoseg.images.decode import as_source, decode
from dinoseg.images.fit import resize
from dinoseg.methods.presence import CUES, cues, presence
from dinoseg.options import SegmentOptions
from dinoseg.pipeline import Segmenter, propose
from dinoseg.types import Failure

DAVIS_EVERY = 8
SMALLEST = 96
"""px: crops are no smaller."""
COVER = (0.1, 0.7)
"""Share of an object crop that objects cover."""
MARGIN = 4
"""px that an empty crop keeps from any mask."""
VIEWS = EMPTY, OBJECT, SHRUNK = "empty", "object", "shrunk"
PRESENCE = "presence"
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5)
BINS = 10
RESAMPLES = 1000
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    """One view of one picture, and what was made of it."""

    set: str
    source: str
    """The picture, or the video: what is drawn again in the bootstrap."""
    odd: bool
    view: str
    cues: tuple[float, ...]
    scores: dict[str, float]
    """Each says by its size that there is an object."""


# Crops.


def views(pixels: Pixels, truth: Truth, random: np.random.Generator) -> dict[str, Pixels]:
    """The three views of a picture, all of one size; none where it has no room for them."""
    void = np.zeros_like(truth.foreground) if truth.void is None else truth.void
    near = cv2.dilate((truth.foreground | void).astype(np.uint8), np.ones((2 * MARGIN + 1,) * 2, np.uint8))
    near_sums, object_sums = cv2.integral(near), cv2.integral(truth.foreground.astype(np.uint8))

    def places(side: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        share = window_sums(object_sums, side) / side**2
        return window_sums(near_sums, side) == 0, (share >= COVER[0]) & (share <= COVER[1])

    every = range(SMALLEST, min(truth.foreground.shape) + 1, 8)
    sides = [side for side in every if all(place.any() for place in places(side))]
    if not sides:
        return {}
    side = int(random.choice(sides))
    crops = [crop(pixels, place, side, random) for place in places(side)]
    scale = side / max(pixels.shape[:2])
    shrunk = resize(pixels, (round(pixels.shape[0] * scale), round(pixels.shape[1] * scale)))
    return dict(zip((EMPTY, OBJECT, SHRUNK), (*crops, shrunk), strict=True))


def window_sums(table: NDArray[np.int32], side: int) -> NDArray[np.int32]:
    """Sums over all squares of a picture, by their upper left corner, from its integral image."""
    return table[side:, side:] - table[:-side, side:] - table[side:, :-side] + table[:-side, :-side]


def crop(pixels: Pixels, places: NDArray[np.bool_], side: int, random: np.random.Generator) -> Pixels:
    """A square at one of the places."""
    y, x = np.argwhere(places)[random.integers(np.count_nonzero(places))]
    return np.ascontiguousarray(pixels[y : y + side, x : x + side])


# What is measured.


@dataclass(frozen=True)
class Network:
    """A network with the method whose score stands beside presence, and where its features are kept."""

    name: str
    segmenter: Segmenter
    cache: Path | None

    def encode(self, name: str, pixels: Pixels) -> Encoded:
        """One view through the network, unless an earlier run did it."""
        prepared = self.segmenter.encoder.prepare(as_source(pixels))
        if isinstance(prepared, Failure):
            raise prepared.error
        file = self.cache / self.name / f"{name}.npz" if self.cache else None
        if file and file.exists():
            cached = unpacked(file, self.segmenter)
            if cached.grid == prepared.fit.grid:  # else the crops were drawn otherwise
                return Encoded(prepared.photo, prepared.source, prepared.fit, cached, {})
        encoded = self.segmenter.encoder(pixels)
        if file and encoded.features:
            facets = {key: facet.half().numpy(force=True) for key, facet in encoded.features.facets.items()}
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, attention=encoded.features.attention.numpy(force=True), **facets)
        return encoded

    def see(self, sample: Sample, set_: str, odd: bool) -> Iterator[Seen]:
        """All views of a picture."""
        pixels = decode(as_source(sample.image)).pixels
        random = np.random.default_rng(zlib.crc32(sample.id.encode()))
        for view, part in views(pixels, sample.truth(), random).items():
            name = f"{set_}-{sample.id.replace('/', '-')}-{view}"
            yield self.judge(part, name, set_, sample.sequence or sample.id, odd, view)

    def judge(self, pixels: Pixels, name: str, set_: str, source: str, odd: bool, view: str) -> Seen:
        """One view, and what the simpler scores say."""
        encoded = self.encode(name, pixels)
        (proposals,) = propose(self.segmenter.method, [encoded])
        features = encoded.features
        assert features is not None
        scores = {
            PRESENCE: presence(features, [encoded.photo])[0] or 0.0,
            f"score of {self.segmenter.options.method_name}": max((x.score for x in proposals.objects), default=0.0),
            "1 - second eigenvalue of the cut": 1 - second_eigenvalue(features.facets["token"][0].flatten(0, 1)),
            "1 - cosine of neighbouring patches": 1 - neighbours(features.facets["token"][0]),
        }
        return Seen(set_, source, odd, view, tuple(cues(features)[0].tolist()), scores)


def unpacked(file: Path, segmenter: Segmenter) -> Features:
    """Features that an earlier run kept."""
    assert segmenter.backbone
    spec = segmenter.backbone.spec
    with np.load(file) as kept:
        arrays = {key: torch.from_numpy(kept[key]).float() for key in kept.files}
    return Features(arrays.pop("attention"), spec.family, spec.patch, arrays)


def second_eigenvalue(tokens: torch.Tensor) -> float:
    """Of TokenCut's graph of the tokens ``(N, d)``, 0..2: how much a cut in two costs."""
    unit = torch.nn.functional.normalize(tokens.double(), dim=1)
    weights = torch.where(unit @ unit.T > 0.2, 1.0, 1e-5).double()  # (N, N)
    root = weights.sum(dim=1).rsqrt()
    return 1 - float(torch.linalg.eigvalsh(root[:, None] * weights * root)[-2])


def neighbours(tokens: torch.Tensor) -> float:
    """Mean cosine of patches side by side, from ``(gh, gw, d)``."""
    unit = torch.nn.functional.normalize(tokens, dim=2)
    down, right = (unit[1:] * unit[:-1]).sum(dim=2), (unit[:, 1:] * unit[:, :-1]).sum(dim=2)
    return float(torch.cat([down.flatten(), right.flatten()]).mean())


def textures() -> dict[str, Pixels]:
    """Pictures of nothing: noise of several grains, stripes, checks, a gradient."""
    random, (y, x) = np.random.default_rng(0), np.mgrid[:SMALLEST, :SMALLEST]
    noise = {
        f"noise, grain {grain} px": cv2.GaussianBlur(random.normal(size=x.shape), (0, 0), grain) * grain
        for grain in (0.5, 2, 8, 24)
    }
    drawn = {
        "stripes": np.sin(x / 4 + y / 9),
        "checks": np.sign(np.sin(x / 5) * np.sin(y / 5)),
        "gradient": 2 * y / SMALLEST - 1,
    }
    colour = np.array([0.8, 1.0, 0.6])
    return {
        name: (128 + 60 * m[..., None] * colour).clip(0, 255).astype(np.uint8) for name, m in (noise | drawn).items()
    }


# What comes of it.


def fitted(seen: Sequence[Seen]) -> tuple[float, ...]:
    """Intercept and weights of the logistic regression on these views; the three kinds of view weigh 2 : 1 : 1."""
    x = np.array([each.cues for each in seen])
    there = np.array([each.view != EMPTY for each in seen])
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    model = LogisticRegression().fit((x - mean) / deviation, there, sample_weight=np.where(there, 1, 2))
    weights = model.coef_[0] / deviation
    return (float(model.intercept_[0] - weights @ mean), *map(float, weights))


def auroc(seen: Sequence[Seen], name: str, view: str) -> dict[str, float]:
    """Of a score, for telling views of that kind from empty ones; the interval draws pictures (videos) again."""
    groups: dict[str, list[Seen]] = {}
    for each in seen:
        groups.setdefault(f"{each.set}/{each.source}", []).append(each)
    pairs = [
        tuple(np.array([x.scores[name] for x in group if x.view == kind]) for kind in (view, EMPTY))
        for group in groups.values()
    ]
    random = np.random.default_rng(0)
    drawn = (random.integers(len(pairs), size=len(pairs)) for _ in range(RESAMPLES))
    low, high = np.quantile([ranked([pairs[i] for i in indices]) for indices in drawn], [0.025, 0.975])
    return {"value": ranked(pairs), "low": float(low), "high": float(high), "pictures": len(pairs)}


def ranked(pairs: Sequence[tuple[NDArray[np.float64], ...]]) -> float:
    """How often a value of the first kind is above one of the second, ties counting half."""
    there, empty = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return float((np.sign(there[:, None] - empty).mean() + 1) / 2)


def calibration(seen: Sequence[Seen]) -> dict[str, Any]:
    """Brier score and expected calibration error (ten bins) of presence, object and shrunk views weighing as empty."""
    chance = np.array([each.scores[PRESENCE] for each in seen])
    there = np.array([each.view != EMPTY for each in seen])
    weight = np.where(there, 1.0, 2.0) / (4 * there.size / 3)
    bins = np.minimum((chance * BINS).astype(int), BINS - 1)
    table = []
    for number in np.unique(bins):
        inside = bins == number
        said, true = (float(np.average(values[inside], weights=weight[inside])) for values in (chance, there))
        table.append({"share": float(weight[inside].sum()), "said": said, "true": true})
    error = sum(row["share"] * abs(row["said"] - row["true"]) for row in table)
    return {"brier": float(np.sum(weight * (chance - there) ** 2)), "ece": float(error), "bins": table}


def refused(seen: Sequence[Seen]) -> dict[str, dict[str, float]]:
    """Share of each kind of view that ``--min-presence`` leaves without a mask, by threshold."""
    chances = {view: np.array([x.scores[PRESENCE] for x in seen if x.view == view]) for view in VIEWS}
    return {str(t): {view: float((values < t).mean()) for view, values in chances.items()} for t in THRESHOLDS}


def result(name: str, seen: Sequence[Seen]) -> dict[str, Any]:
    """All figures of one network, on the odd half."""
    odd = [each for each in seen if each.odd and each.set in SETS]
    sets = {"all": odd} | {key: [each for each in odd if each.set == key] for key in SETS}
    curves = {
        f"{key}, {score}, {view}": auroc(rows, score, view)
        for key, rows in sets.items()
        for score in odd[0].scores
        for view in (OBJECT, SHRUNK)
        if rows and (key == "all" or score == PRESENCE)
    }
    blank = {each.source: each.scores[PRESENCE] for each in seen if each.set not in SETS}
    return {
        "network": name,
        "auroc": curves,
        "calibration": calibration(odd),
        "refused": refused(odd),
        "textures": blank,
    }


def plot(found: Mapping[str, Sequence[Seen]], path: Path) -> None:
    """ROC of presence beside the simpler scores, per network, and how well it is calibrated."""
    figure = Figure(figsize=(4.2 * (len(found) + 1), 4), layout="constrained")
    axes = figure.subplots(1, len(found) + 1)
    for axis, (name, seen) in zip(axes, found.items(), strict=False):
        odd = [each for each in seen if each.odd and each.view in (EMPTY, OBJECT) and each.set in SETS]
        for score in odd[0].scores:
            false, true, _ = roc_curve([x.view == OBJECT for x in odd], [x.scores[score] for x in odd])
            axis.plot(false, true, label=score, linewidth=2 if score == PRESENCE else 1)
        axis.set(
            title=f"{name}: object crops against empty ones", xlabel="empty crops kept", ylabel="object crops kept"
        )
        axis.legend(fontsize=7)
    for name, seen in found.items():
        bins = calibration([each for each in seen if each.odd and each.set in SETS])["bins"]
        axes[-1].plot([row["said"] for row in bins], [row["true"] for row in bins], "o-", label=name)
    axes[-1].plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    axes[-1].set(title="calibration", xlabel="presence", ylabel="share with an object")
    axes[-1].legend(fontsize=7)
    figure.savefig(path, dpi=80)


HEAD = """# Presence: is there an object?

Odd half, crops matched in size; AUROC with 95 % bootstrap intervals over pictures (videos in DAVIS). `object`: crops of
which objects cover 10 to 70 %, against empty crops of the same pictures; `shrunk`: the whole picture at the crop's size
against them, easier, for it is sharper as well. An empty crop is one that no mask touches: DUTS has masks of what is
salient, COCO of 80 classes, so it may still show a thing, and no score can be perfect.
"""


def page(results: Sequence[Mapping[str, Any]], asked: str) -> str:
    """The figures as Markdown."""
    lines = [HEAD, "| network | set | score | object | shrunk | pictures |", "| --- |" + " --- |" * 5]
    for each in results:
        for key in [key for key in each["auroc"] if key.endswith(f", {OBJECT}")]:
            both = [each["auroc"][f"{key.removesuffix(OBJECT)}{view}"] for view in (OBJECT, SHRUNK)]
            shown = " | ".join(f"{x['value']:.3f} [{x['low']:.3f}, {x['high']:.3f}]" for x in both)
            set_, score, _ = key.split(", ")
            lines.append(f"| {each['network']} | {set_} | {score} | {shown} | {both[0]['pictures']} |")
    heads = [f"{view} < {t}" for t in THRESHOLDS for view in VIEWS]
    lines += ["", f"| refused, share | {' | '.join(heads)} |", "| --- |" + " --- |" * len(heads)]
    for each in results:
        shares = [f"{each['refused'][str(t)][view]:.3f}" for t in THRESHOLDS for view in VIEWS]
        lines.append(f"| {each['network']} | {' | '.join(shares)} |")
    lines.append("")
    for each in results:
        blank = ", ".join(f"{name} {chance:.2f}" for name, chance in each["textures"].items())
        brier, ece = each["calibration"]["brier"], each["calibration"]["ece"]
        lines.append(f"- {each['network']}: Brier score {brier:.3f}, expected calibration error {ece:.3f}; {blank}.")
    foot = ", ".join(f"{name} {version}" for name, version in versions().items())
    return "\n".join([*lines, "", f"    {asked}", "", foot, ""])


# The command.


def pictures(data: Path, count: int | None, even: bool) -> list[tuple[str, Sample, bool]]:
    """Set, picture and whether it is of the odd half, in an order drawn by lot, so that the first are a fair part.

    Of the first ``count`` those of the odd half, and the others only where ``even`` asks for them.
    """
    found = []
    for key, folder in SETS.items():
        if (data / folder).exists():
            dataset, every = open_dataset(data / folder), DAVIS_EVERY if key == "DAVIS" else 1
            odd = {sample.id for sample in dataset.select("odd", every)}
            found += [(key, sample, sample.id in odd) for sample in dataset.select("all", every)]
    order = np.random.default_rng(0).permutation(len(found))
    return [found[index] for index in order[:count] if even or found[index][2]]


def see_all(network: Network, asked: Sequence[tuple[str, Sample, bool]]) -> list[Seen]:
    """All views of all pictures, and the textures."""
    seen = [x for key, sample, odd in tqdm(asked, disable=None) for x in network.see(sample, key, odd)]
    return seen + [
        network.judge(px, f"texture-{name}", "textures", name, True, EMPTY) for name, px in textures().items()
    ]


def networks(arguments: argparse.Namespace) -> Iterator[tuple[Network, int | None]]:
    """Those that were named and an untrained one in the shape of the first, and how many pictures each sees."""
    counts = arguments.pictures or [None] * len(arguments.models)
    for model, count in zip(arguments.models, counts, strict=True):
        yield (
            Network(
                Path(model).stem, open_segmenter(SegmentOptions(model=model, runtime="torch"), False), arguments.cache
            ),
            count,
        )
    if arguments.random:
        untrained = open_segmenter(SegmentOptions(model=arguments.models[0], runtime="torch"), True)
        yield Network("random weights", untrained, arguments.cache), arguments.random


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__, output=False)
    parser.add_argument("--data", type=Path, required=True, help="folder with duts/, VOC2012/, DAVIS/, coco/")
    parser.add_argument("--models", nargs="+", default=["builtin"], metavar="MODEL", help="names or weight files")
    parser.add_argument("--random", type=int, metavar="N", help="an untrained network as well, on so many pictures")
    parser.add_argument("--pictures", type=int, nargs="+", metavar="N", help="only so many, by lot, for each model")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep what the networks give")
    parser.add_argument("--fit", action="store_true", help="print coefficients fitted on the even half")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    arguments = parser.parse_args(words)
    found = {
        network.name: see_all(network, pictures(arguments.data, count, arguments.fit))
        for network, count in networks(arguments)
    }
    if arguments.fit:
        even = [[x for x in seen if not x.odd] for name, seen in found.items() if name != "random weights"]
        print(", ".join(f"{weight:.3f}" for weight in fitted([x for seen in even for x in seen])), *CUES, sep="\n")
    if arguments.output:
        command = quoted("presence.py", words)
        results = [result(name, seen) for name, seen in found.items()]
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        content = {"command": command, "versions": versions(), "results": results}
        arguments.output.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
        arguments.output.with_suffix(".md").write_text(page(results, command))
        plot(found, arguments.output.with_suffix(".png"))


if __name__ == "__main__":
    main(sys.argv[1:])
