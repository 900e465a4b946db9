"""Whether two versions of the program do the same: a fixed set of runs of every verb, compared file by file.

    python benchmarks/unchanged.py run PHOTOS EVAL LABELLED -o before
    python benchmarks/unchanged.py run PHOTOS EVAL LABELLED -o after     # of the other version, by PYTHONPATH
    python benchmarks/unchanged.py compare before after

PHOTOS: a folder of which 50 photographs are taken; EVAL: a folder with ``duts``, ``VOC2012``, ``DAVIS`` and ``coco``
(1 picture in 20 is scored); LABELLED: a folder of classes. Files are compared byte for byte, but for pages and
checkpoints that tell times (``TIMED``); JSON without what differs from run to run (``VOLATILE``), without what was
added (``--without NAME``) and under the new names of what was renamed (``--renamed OLD=NEW``).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from harness import command_line

from dinoseg.files import parsed

PHOTOGRAPHS, FEW, PER_CLASS, VOC = 50, 8, 6, 12
METHODS = ("attention", "tokencut", "maskcut", "spectral", "lost", "dino-seg", "found", "kmeans", "prior", "head")
REFINEMENTS = ("bilateral", "crf", "none")
VOLATILE = frozenset(("seconds", "minutes", "mtime", "commit", "images_per_second", "stages", "versions"))
"""Fields of JSON that differ from run to run."""
TIMED = re.compile(r"report\.html|.*\.work/heal-.*\.pt|.*\.(err|lock)")
TEXT_OF_TIME = re.compile(rb"; \d+ s\n|minutes +\d+\.\d|\d+(\.\d+)? (images|photographs)/s|commit [0-9a-f]{7,40}")
CROPS = "--global-size 32 --local-size 16 --prototypes 64 --batch 8"
TINY = f"--width 48 --heads 3 --depth 2 --patch 8 {CROPS}"

RUNS: dict[str, str] = {
    "segment": "segment photos -o OUT --formats masks overlays cutouts labels coco contact-sheet",
    **{f"segment-{name}": f"segment few -o OUT --formats masks --method {name}" for name in METHODS},
    **{f"segment-{name}": f"segment few -o OUT --formats masks --refine {name}" for name in REFINEMENTS},
    "segment-options": "segment few -o OUT --formats masks --size 256 --param power=5 --min-presence 0.3 --batch 4",
    "attend": "attend few -o OUT --arrays",
    "attend-query": "attend few -o OUT --arrays --query 30 40 --layer 6",
    "attend-rollout": "attend few -o OUT --arrays --rollout",
    "attend-like": "attend few -o OUT --arrays --like 30 40",
    "features": "features few -o OUT --formats patches embedding objects pca",
    "features-layer": "features few -o OUT --layer 6 --facet key --dtype float32",
    "track": "track eval/DAVIS/JPEGImages/480p/SEQUENCE -o OUT --size 160",
    "track-mask": "track eval/DAVIS/JPEGImages/480p/SEQUENCE -o OUT --size 160 "
    "--mask eval/DAVIS/Annotations/480p/SEQUENCE/00000.png",
    "group": "group photos -o OUT --clusters 4",
    "train": f"train few -o OUT --epochs 3 --watch-every 1 {TINY}",
    "train-init": f"train few -o OUT --epochs 2 --init train/model.safetensors {CROPS}",
    "train-distil": "train few -o OUT --epochs 2 --distil-from builtin --width 48 --heads 3 --depth 2 --patch 8 "
    "--global-size 64 --local-size 16 --batch 4 --teacher-cache 0.1",
    "compress": "compress train/model.safetensors photos -o OUT/small.safetensors --patch 8 --neurons 48 "
    "--calibration-crops 32 --heal-crops 32 --grid 4 --batch 8",
    "train-head": "train-head few -o OUT/head.safetensors --epochs 2",
    "foreground": "evaluate foreground eval/duts -o OUT --every 20",
    "foreground-tokencut": "evaluate foreground eval/duts -o OUT --every 20 --method tokencut",
    "compare": "compare foreground foreground-tokencut --json",
    "attention-jaccard": "evaluate attention-jaccard eval/VOC2012 -o OUT --every 20",
    "saliency": "evaluate saliency eval/duts -o OUT --every 20",
    "corloc": "evaluate corloc eval/VOC2012 -o OUT --every 20 --method lost",
    "ap": "evaluate ap eval/coco -o OUT --every 10 --method maskcut",
    "group-voc": "group voc/JPEGImages -o OUT --clusters 5",
    "miou": "evaluate miou voc -o OUT --predictions group-voc/semantic",
    "davis-unsupervised": "evaluate davis-unsupervised eval/DAVIS -o OUT --every 20 --smooth 1",
    "davis-propagation": "evaluate davis-propagation eval/DAVIS -o OUT --every 4 --size 160",
    "knn": "evaluate knn labelled -o OUT --size 96",
    "linear": "evaluate linear labelled -o OUT --size 96",
    "retrieval": "evaluate retrieval labelled -o OUT --size 96",
    "copies": "evaluate copies photos -o OUT --size 96",
    "methods": "methods",
    "method": "methods attention-cut",
    "samples": "samples OUT",
}
"""Arguments by the name of the run; OUT is its folder. ``davis-unsupervised-objects`` needs other predictions."""


def main() -> int:
    parser = command_line(__doc__, output=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("run")
    for name in ("photos", "eval", "labelled"):
        making.add_argument(name, type=Path)
    making.add_argument("-o", "--output", type=Path, required=True)
    making.add_argument("--only", nargs="*", default=list(RUNS), help="names of runs")
    comparing = verbs.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--renamed", nargs="*", default=[], metavar="OLD=NEW")
    comparing.add_argument("--without", nargs="*", default=[], metavar="NAME")
    args = parser.parse_args()
    if args.verb == "run":
        return run(args.photos, args.eval, args.labelled, args.output, args.only)
    renamed = dict(pair.split("=") for pair in args.renamed)
    return compare(args.before, args.after, renamed, VOLATILE | set(args.without))


def run(photos: Path, evaluation: Path, labelled: Path, output: Path, only: list[str]) -> int:
    """Every run in its folder below ``output``; a run that is there is left as it is. Returns the exit code."""
    prepare(photos.resolve(), evaluation.resolve(), labelled.resolve(), output)
    failed = []
    for name in only:
        if (output / f"{name}.exit").exists():
            continue
        start = time.perf_counter()
        words = [word.replace("OUT", name).replace("SEQUENCE", sequence(evaluation)) for word in RUNS[name].split()]
        done = subprocess.run([sys.executable, "-m", "dinoseg", *words], cwd=output, capture_output=True, check=False)
        (output / f"{name}.out").write_bytes(done.stdout)
        (output / f"{name}.err").write_bytes(done.stderr)
        (output / f"{name}.exit").write_text(str(done.returncode))
        failed += [name] if done.returncode else []
        print(f"{name}: exit {done.returncode}, {time.perf_counter() - start:.0f} s", flush=True)
    print(f"{len(only) - len(failed)} of {len(only)} runs went well. {' '.join(failed)}")
    return 1 if failed else 0


def prepare(photos: Path, evaluation: Path, labelled: Path, output: Path) -> None:
    """Lay the inputs out below ``output``, so that no path in a result depends on where that is."""
    if output.exists():
        return
    pictures = sorted(path for path in photos.rglob("*") if path.is_file() and path.suffix != ".md")
    for folder, count in (("photos", PHOTOGRAPHS), ("few", FEW)):
        (output / folder).mkdir(parents=True)
        for path in pictures[:: len(pictures) // count][:count]:
            shutil.copy2(path, output / folder / path.name)
    (output / "eval").symlink_to(evaluation)
    for kind in ("JPEGImages", "SegmentationClass", "SegmentationObject", "Annotations"):
        (output / "voc" / kind).mkdir(parents=True)
        for path in sorted((evaluation / "VOC2012" / kind).iterdir())[:VOC]:
            shutil.copy2(path, output / "voc" / kind / path.name)
    (output / "voc" / "ImageSets" / "Segmentation").mkdir(parents=True)
    names = sorted(path.stem for path in (output / "voc" / "SegmentationClass").iterdir())
    (output / "voc" / "ImageSets" / "Segmentation" / "val.txt").write_text("".join(f"{name}\n" for name in names))
    for class_ in sorted(path for path in labelled.iterdir() if path.is_dir())[:4]:
        (output / "labelled" / class_.name).mkdir(parents=True)
        for path in sorted(class_.iterdir())[:PER_CLASS]:
            shutil.copy2(path, output / "labelled" / class_.name / path.name)


def sequence(evaluation: Path) -> str:
    """The first video of DAVIS."""
    return min(path.name for path in (evaluation / "DAVIS" / "JPEGImages" / "480p").iterdir())


def compare(before: Path, after: Path, renamed: Mapping[str, str], without: Set[str]) -> int:
    """Print what differs. Returns 1 if anything does."""
    sides = [digests(root, renamed if root == before else {}, without) for root in (before, after)]
    names = sorted(sides[0].keys() | sides[1].keys())
    different = [name for name in names if sides[0].get(name) != sides[1].get(name)]
    for name in different:
        print("only in one:" if name not in sides[0] or name not in sides[1] else "differs:", name)
    print(f"{len(names) - len(different)} of {len(names)} files are equal, {len(different)} are not.")
    return 1 if different else 0


def digests(root: Path, renamed: Mapping[str, str], without: Set[str]) -> dict[str, str]:
    """SHA-256 by path of all that runs wrote, without the inputs."""
    inputs = ("photos", "few", "eval", "voc", "labelled")
    files = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if Path(folder) != root or name not in inputs]
        files += [Path(folder) / name for name in names]
    return {
        str(path.relative_to(root)): hashlib.sha256(content(path, renamed, without)).hexdigest()
        for path in files
        if not (TIMED.fullmatch(path.name) or TIMED.fullmatch(str(path.relative_to(root))))
    }


def content(path: Path, renamed: Mapping[str, str], without: Set[str]) -> bytes:
    """The bytes of a file; of JSON only what stays from run to run."""
    data = path.read_bytes()
    if path.suffix in (".json", ".jsonl", ".out"):
        lines = [data] if parsed(data) is not None else data.splitlines()
        values = [parsed(line) for line in lines]
        if all(value is not None for value in values):
            return json.dumps([lasting(value, renamed, without) for value in values], sort_keys=True).encode()
    if path.suffix in (".md", ".html", ".out"):
        return TEXT_OF_TIME.sub(b"", data)
    return data


def lasting(value: Any, renamed: Mapping[str, str], without: Set[str]) -> Any:
    """A JSON value without some fields."""
    if isinstance(value, dict):
        items = ((renamed.get(name, name), lasting(each, renamed, without)) for name, each in value.items())
        return {name: each for name, each in items if name not in without}
    return [lasting(each, renamed, without) for each in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())
