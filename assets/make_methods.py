"""The sheet of all methods in README.md and docs/: the 24 photographs of the Kodak Lossless True Color Image Suite.

    python assets/make_methods.py FOLDER

FOLDER holds the suite's photographs and nothing else; Kodak released them for unrestricted use. All are shown, whatever
the methods make of them; nothing is measured on them. Writes methods.jpg beside this file. A photograph without colour
is one in which a method found nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import PIL.ImageOps

import dinoseg
from dinoseg.images.find import find
from dinoseg.segmentation import Segmentation
from dinoseg.types import Source

HERE = Path(__file__).parent
SHOWN = 24
COLUMNS = (
    *(("attention-cut", ()), ("head", ()), ("attention", ()), ("kmeans", ()), ("tokencut", ()), ("maskcut", ())),
    *(("spectral", ()), ("spectral", ("regions=many",)), ("lost", ()), ("found", ()), ("dino-seg", ()), ("prior", ())),
)
CELL = (112, 84)  # width, height px
GAP = 3
HEAD = 20


def main() -> None:
    (folder,) = sys.argv[1:]
    sources = [source for source in find([folder]) if isinstance(source, Source)]
    if len(sources) != SHOWN:
        sys.exit(f"{folder} holds {len(sources)} photographs; the suite has {SHOWN}.")
    photos = [PIL.Image.open(str(source.content)).convert("RGB") for source in sources]
    sheet = PIL.Image.new("RGB", (place(len(COLUMNS) + 1, 0)[0], place(0, SHOWN)[1]), "white")
    draw = PIL.ImageDraw.Draw(sheet)
    put(sheet, draw, 0, "photograph", photos)
    for column, (method, params) in enumerate(COLUMNS, 1):
        segmenter = dinoseg.Segmenter(method=method, param=params)
        results = [segmenter(photo) for photo in photos]
        put(sheet, draw, column, " ".join((method, *params)), [drawn(result) for result in results])
    sheet.save(HERE / "methods.jpg", quality=70)


def drawn(result: Segmentation) -> PIL.Image.Image:
    """The objects in colour; the bare photograph, faded, where there is none."""
    overlay = result.overlay().convert("RGB")
    return overlay if result.instances else PIL.Image.blend(overlay, PIL.Image.new("RGB", overlay.size, "white"), 0.7)


def put(
    sheet: PIL.Image.Image, draw: PIL.ImageDraw.ImageDraw, column: int, title: str, pictures: list[PIL.Image.Image]
) -> None:
    """One column: its title and the pictures, each inside its cell."""
    draw.text((place(column, 0)[0] + CELL[0] / 2, HEAD / 2), title, "black", anchor="mm", font_size=11)
    for row, picture in enumerate(pictures):
        small = PIL.ImageOps.contain(picture, CELL)
        left, top = place(column, row)
        sheet.paste(small, (left + (CELL[0] - small.width) // 2, top + (CELL[1] - small.height) // 2))


def place(column: int, row: int) -> tuple[int, int]:
    """Left and top of a cell, px."""
    return GAP + column * (CELL[0] + GAP), HEAD + row * (CELL[1] + GAP)


if __name__ == "__main__":
    main()
