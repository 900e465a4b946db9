"""The pictures of README.md and docs/, from the sample photographs and the built-in model.

    python assets/make_pictures.py

Writes hero.jpg (photograph, attention, mask, cut-out), heads.jpg (every head of one photograph), contact_sheet.jpg (as
`dinoseg segment` writes it) and components.jpg (of `dinoseg features --formats pca`) beside this file.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import PIL.Image
import PIL.ImageDraw

import dinoseg
from dinoseg.cli import run
from dinoseg.cli.samples import SAMPLES

HERE = Path(__file__).parent
SHOWN = ("china.jpg", "flower.jpg", "motorcycle_left.png", "astronaut.png")
CELL = (216, 162)  # width, height px
GAP = 6
HEAD = 22
COLOURED = ("chelsea.png", "coffee.png", "china.jpg", "flower.jpg")
TITLES = ("photograph", "CLS attention", "mask", "cut-out")


def cell(image: PIL.Image.Image) -> PIL.Image.Image:
    """The picture cut and scaled to one cell, transparency over a chequerboard."""
    if image.mode == "RGBA":
        squares = (np.indices(image.size[::-1]) // 16).sum(axis=0) % 2  # (H, W)
        board = PIL.Image.fromarray(np.where(squares, 235, 255).astype(np.uint8)).convert("RGBA")
        image = PIL.Image.alpha_composite(board, image)
    scale = max(CELL[0] / image.width, CELL[1] / image.height)
    image = image.convert("RGB").resize((round(image.width * scale), round(image.height * scale)))
    left, top = (image.width - CELL[0]) // 2, (image.height - CELL[1]) // 2
    return image.crop((left, top, left + CELL[0], top + CELL[1]))


def sheet(titles: Sequence[str], rows: Sequence[Sequence[PIL.Image.Image]]) -> PIL.Image.Image:
    """Pictures in cells, under their titles."""
    made = PIL.Image.new("RGB", (len(titles) * (CELL[0] + GAP) + GAP, HEAD + len(rows) * (CELL[1] + GAP)), "white")
    draw = PIL.ImageDraw.Draw(made)
    for column, title in enumerate(titles):
        left = GAP + column * (CELL[0] + GAP)
        draw.text((left + CELL[0] / 2, HEAD / 2), title, "black", anchor="mm", font_size=14)
        for row, pictures in enumerate(rows):
            made.paste(cell(pictures[column]), (left, HEAD + row * (CELL[1] + GAP)))
    return made


def hero(photos: Sequence[bytes]) -> PIL.Image.Image:
    """One row per photograph: what goes in and what comes out."""
    segmenter = dinoseg.Segmenter()
    rows = []
    for photo in photos:
        result = segmenter(photo)
        attention = dinoseg.attend(photo).overlay()
        rows.append((PIL.Image.open(io.BytesIO(photo)), attention, result.overlay(), result.cutout()))
    return sheet(TITLES, rows)


def components(pairs: Sequence[PIL.Image.Image]) -> PIL.Image.Image:
    """Photographs above, what is right of each below."""
    photos = [pair.crop((0, 0, pair.width // 2, pair.height)) for pair in pairs]
    coloured = [pair.crop((pair.width // 2, 0, pair.width, pair.height)) for pair in pairs]
    return sheet(COLOURED, [photos, coloured])


def main() -> None:
    photos = {sample.name: sample.file().read_bytes() for sample in SAMPLES}
    hero([photos[name] for name in SHOWN]).save(HERE / "hero.jpg", quality=85)
    figure = io.BytesIO()
    dinoseg.attend(photos["chelsea.png"]).figure().savefig(figure, format="png", dpi=100)
    PIL.Image.open(figure).convert("RGB").save(HERE / "heads.jpg", quality=85)
    with TemporaryDirectory() as folder:
        commands = (
            ["samples", f"{folder}/photos"],
            ["segment", f"{folder}/photos", "-o", f"{folder}/out"],
            ["features", f"{folder}/photos", "-o", f"{folder}/features", "--formats", "pca"],
        )
        assert not any(run(command) for command in commands)
        PIL.Image.open(f"{folder}/out/contact_sheet.png").convert("RGB").save(HERE / "contact_sheet.jpg", quality=80)
        pairs = [PIL.Image.open(f"{folder}/features/pca/{name}.png") for name in COLOURED]
        components(pairs).save(HERE / "components.jpg", quality=85)


if __name__ == "__main__":
    main()
