"""What features of whole pictures are worth: k-NN, linear probe, retrieval; untrained weights and raw pixels beside.

    python benchmarks/knn.py IMAGENETTE --models builtin PATH --features FOLDER -o benchmarks/results/knn

IMAGENETTE holds train/CLASS and val/CLASS, or folders of classes. Features are computed once per network; with
--features they are kept, so that a run that was stopped goes on. Writes FILE.md and FILE.json after every network.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from harness import command_line, number, quoted, table, write
from tqdm import tqdm

from dinoseg.backbone.base import Backbone
from dinoseg.evaluation.datasets.labelled import LabelledFolder, open_labelled
from dinoseg.evaluation.features.gallery import NETWORK, Gallery, Side, embed_folder
from dinoseg.evaluation.protocols.features import open_backbone
from dinoseg.evaluation.protocols.knn import NearestNeighbours
from dinoseg.evaluation.protocols.linear import LinearProbe
from dinoseg.evaluation.protocols.retrieval import Retrieval
from dinoseg.evaluation.report import Score
from dinoseg.options import EvaluateOptions

SHOTS = (1, 5, 10)
COLUMNS = [
    "k-NN",
    "linear",
    "retrieval, mAP",
    *(f"k-NN, {n} per class" for n in SHOTS),
    *(f"linear, {n}" for n in SHOTS),
]
HEAD = """# Features of whole pictures

Top-1 of weighted k-NN (k 20) and of logistic regression on frozen CLS tokens, mean average precision of retrieval by
class; 95 % bootstrap intervals over the tested pictures. N per class: mean over 10 draws of examples, and their spread.
"""


def gallery_of(folder: LabelledFolder, backbone: Backbone, options: EvaluateOptions, kept: Path | None) -> Gallery:
    """The folder's vectors, computed now or before."""
    if kept and kept.exists():
        return restored(folder, torch.load(kept, weights_only=True))
    with tqdm(desc=backbone.spec.name, disable=None) as bar:
        gallery = embed_folder(folder, backbone, options, lambda _, total: setattr(bar, "total", total) or bar.update())
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        torch.save([side.vectors for side in (gallery.train, gallery.test) if side], kept)
    return gallery


def restored(folder: LabelledFolder, vectors: Sequence[dict[str, Any]]) -> Gallery:
    """A gallery of a folder in which every picture can be read."""
    parts = [folder.train, *([folder.test] if folder.test else [])]
    sides = [Side(part, found) for part, found in zip(parts, vectors, strict=True)]
    assert all(len(side.labels) == len(side.vectors[NETWORK]) for side in sides), "other pictures than then"
    test = sides[1] if folder.test else None
    return Gallery(folder.classes, sides[0], test, torch.arange(len(sides[-1].labels)).numpy(), ())


def rows_of(gallery: Gallery, name: str, *, floors: bool) -> dict[str, dict[str, Score]]:
    """Scores by row and column; the floors once."""
    knn, linear, retrieval = (
        {score.name: score for score in protocol.judge(gallery, shots)[0]}
        for protocol, shots in ((NearestNeighbours(), SHOTS), (LinearProbe(), SHOTS), (Retrieval(), ()))
    )
    row = {"k-NN": knn["top-1"], "linear": linear["top-1"], "retrieval, mAP": retrieval["average precision"]}
    for n in SHOTS:
        row |= {f"k-NN, {n} per class": knn[f"top-1, {n} per class"], f"linear, {n}": linear[f"top-1, {n} per class"]}
    if not floors:
        return {name: row}
    raw = {"k-NN": knn, "linear": linear}
    pixels = {column: scores["top-1, raw pixels"] for column, scores in raw.items()}
    pixels["retrieval, mAP"] = retrieval["average precision, raw pixels"]
    common = {"k-NN": knn["top-1, most frequent class"]}
    return {"most frequent class (floor)": common, "raw pixels, 32 x 32 (floor)": pixels, name: row}


def cell(score: Score | None) -> str:
    """Empty where there is none."""
    return number(score.value, score.interval) if score else ""


def publish(path: Path, about: str, rows: dict[str, dict[str, Score]], networks: dict[str, Any], asked: str) -> None:
    """The table so far, as FILE.md and FILE.json."""
    lines = table(
        [about, *COLUMNS], [[name, *(cell(row.get(column)) for column in COLUMNS)] for name, row in rows.items()]
    )
    scores = [{"row": name, "column": c, **asdict(score)} for name, row in rows.items() for c, score in row.items()]
    write(path, f"{HEAD}\n{lines}", {"data": about, "networks": networks, "scores": scores}, asked)


def main(words: Sequence[str]) -> None:
    parser = command_line(__doc__)
    parser.add_argument("data", type=Path, help="labelled folder")
    parser.add_argument("--models", nargs="+", default=["builtin"], metavar="MODEL", help="names or weight files")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--features", type=Path, metavar="FOLDER", help="where features are kept")
    arguments = parser.parse_args(words)
    asked = quoted("knn.py", words)
    folder = open_labelled(arguments.data)
    about = f"{folder.name}, {len(folder.train)} pictures of {len(folder.classes)} classes"
    about += f", {len(folder.test)} tested" if folder.test else ", each tested by the others"
    first = EvaluateOptions(model=arguments.models[0], device=arguments.device, batch=arguments.batch)
    rows: dict[str, dict[str, Score]] = {}
    networks: dict[str, Any] = {}
    for options in (replace(first, random_weights=True), *(replace(first, model=name) for name in arguments.models)):
        name = "random weights (floor)" if options.random_weights else Path(options.model).stem
        kept = arguments.features / f"{name.partition(' (')[0]}.pt" if arguments.features else None
        backbone = open_backbone(options)
        networks[name] = None if options.random_weights else backbone.spec.sha256
        rows |= rows_of(gallery_of(folder, backbone, options, kept), name, floors=not rows)
        publish(arguments.output, about, rows, networks, asked)
        print(f"{name}: {cell(rows[name]['k-NN'])}, linear {cell(rows[name]['linear'])}", file=sys.stderr)
    print(arguments.output.with_suffix(".md").read_text(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
