"""The built-in model and its head, remade from the teacher and photographs: one command, hours on a CPU.

    python benchmarks/train_builtin.py TEACHER PHOTOS... --sharp SHARP [--device cuda] --work DIR

TEACHER is the ViT-S/14 of DINOv2 (or any other network: it becomes another model), PHOTOS are folders without labels,
SHARP the one that the head learns from. DIR gets model.safetensors and head.safetensors, which take the place of those
in dinoseg/builtin/, and what is needed to go on after a stop. On a GPU larger batches and more crops are used.

Compression: see `dinoseg compress --help`; the head: `dinoseg train-head --help`. Both are made with their defaults but
for what stands in ON_GPU. What is then measured: `python benchmarks/methods.py`, `knn.py` and `tables.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import command_line

from dinoseg.compression import run_compression
from dinoseg.heads import train_head
from dinoseg.options import CompressOptions

ON_GPU: dict[str, Any] = {"heal_crops": 100_000, "batch": 256, "lr": 2e-4}
"""What the file in dinoseg/builtin/ was healed with, as nearly as CARD.md tells."""


def main() -> None:
    parser = command_line(__doc__, output=False)
    parser.add_argument("teacher")
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--sharp", type=Path, required=True, help="photographs for the head")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    model, head = arguments.work / "model.safetensors", arguments.work / "head.safetensors"
    settings = ON_GPU if arguments.device.startswith("cuda") else {}
    options = CompressOptions(output=model, device=arguments.device, resume=True, **settings)
    print(run_compression(arguments.teacher, arguments.photos, options))
    print(train_head(arguments.sharp, model=str(model), output=head, overwrite=True, device=arguments.device))


if __name__ == "__main__":
    main()
