"""What the built-in model and the network it was compressed from look at, in sample photographs.

    python assets/make_attention_pairs.py dinov2-small

The argument is the teacher: its name, or its weight file. Writes attention_pairs.jpg (photograph, CLS attention of the
teacher, CLS attention of the built-in model) beside this file.
"""

from __future__ import annotations

import io
import sys

import PIL.Image
from make_pictures import HERE, SHOWN, sheet

from dinoseg.attention import Attender
from dinoseg.cli.samples import SAMPLES
from dinoseg.images.decode import as_source

TITLES = ("photograph", "DINOv2 ViT-S/14", "built-in, its copy")


def main() -> None:
    (teacher,) = sys.argv[1:]
    networks = [Attender(model=teacher), Attender()]
    rows = []
    for photo in (sample.file().read_bytes() for sample in SAMPLES if sample.name in (*SHOWN, "chelsea.png")):
        overlays = (network(as_source(photo)).overlay() for network in networks)
        rows.append((PIL.Image.open(io.BytesIO(photo)), *overlays))
    sheet(TITLES, rows).save(HERE / "attention_pairs.jpg", quality=70)


if __name__ == "__main__":
    main()
