"""What each step of `dinoseg compress` costs and keeps: teacher, other patch, pruned, healed twice, averaged as int8.

    python benchmarks/compress.py TEACHER PHOTOS... --data FOLDER -o FILE [--work DIR]

Makes the compressed network with the defaults of `dinoseg compress` (or goes on with what is in DIR), then scores all
of them by three methods on the pictures of FOLDER/duts (see methods.py, whose tables it writes to FILE.md and
FILE.json) and puts minutes (of this call alone), cosines to the teacher on held-out photographs and the curve of
healing beside them in FILE.curve.json.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import methods
import torch
from harness import command_line

from dinoseg.backbone.export import save_backbone
from dinoseg.backbone.weights import load_file
from dinoseg.backbone.zoo import load
from dinoseg.compression import run_compression, with_patch
from dinoseg.compression.aims import AIMS
from dinoseg.options import CompressOptions

METHODS = ("attention", "tokencut", "attention-cut")
"""Scored on every stage."""


def stages(teacher: str, student: Path, options: CompressOptions) -> list[Path]:
    """A weight file for every stage between the teacher and the stored student."""
    work = student.with_name(student.name + ".work")
    folder = student.parent
    resized, pruned = folder / "patch-10.safetensors", folder / "pruned.safetensors"
    save_backbone(with_patch(load(teacher), options.patch), resized, store="float32")
    network = load_file(work / "pruned.safetensors")
    save_backbone(network, pruned, store="float32")
    files = [resized, pruned]
    for aim in AIMS:
        network.vit.load_state_dict(torch.load(work / f"heal-{aim}.pt", weights_only=True)["average"])
        files.append(folder / f"healed-{aim}.safetensors")
        save_backbone(network, files[-1], store="float32")
    return [*files, student]


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("teacher")
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="folder of the networks (default: a temporary one)")
    arguments = parser.parse_args()
    folder = arguments.work or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    student = folder / "int8.safetensors"
    options = CompressOptions(output=student, resume=True)
    report = run_compression(arguments.teacher, arguments.photos, options)
    work = student.with_name(student.name + ".work")
    curve = {aim: [json.loads(line) for line in (work / f"heal-{aim}.jsonl").read_text().splitlines()] for aim in AIMS}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    facts = asdict(report) | {"file": student.name, "curve": curve}
    arguments.output.with_suffix(".curve.json").write_text(json.dumps(facts, indent=1) + "\n")
    models = [arguments.teacher, *map(str, stages(arguments.teacher, student, options))]
    words = ["--data", str(arguments.data), "--sets", "DUTS", "--cache", str(folder / "measured")]
    methods.main([*words, "--methods", *METHODS, "--models", "none", *models, "-o", str(arguments.output)])


if __name__ == "__main__":
    main()
