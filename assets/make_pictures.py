"""The pictures of the README, from the sample photographs and the built-in model.

    python assets/make_pictures.py

Writes hero.jpg (photograph, attention, mask, cut-out) and heads.jpg (every head of one photograph) beside this file.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw

import dinoseg
from dinoseg.cli.samples import SAMPLES

HERE = Path(__file__).parent
SHOWN = ("astronaut.png", "china.jpg", "motorcycle_left.png", "flower.jpg")
CELL = (216, 162)  # width, height px
GAP = 6
HEAD = 22
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


def hero(photos: list[bytes]) -> PIL.Image.Image:
    """One row per photograph: what goes in and what comes out."""
    width = len(TITLES) * (CELL[0] + GAP) + GAP
    sheet = PIL.Image.new("RGB", (width, HEAD + len(photos) * (CELL[1] + GAP)), "white")
    draw = PIL.ImageDraw.Draw(sheet)
    for column, title in enumerate(TITLES):
        draw.text((GAP + column * (CELL[0] + GAP) + CELL[0] / 2, HEAD / 2), title, "black", anchor="mm", font_size=14)
    segmenter = dinoseg.Segmenter()
    for row, photo in enumerate(photos):
        result = segmenter(photo)
        pictures = (
            PIL.Image.open(io.BytesIO(photo)),
            dinoseg.attend(photo).overlay(),
            result.overlay(),
            result.cutout(),
        )
        for column, picture in enumerate(pictures):
            sheet.paste(cell(picture), (GAP + column * (CELL[0] + GAP), HEAD + row * (CELL[1] + GAP)))
    return sheet


def main() -> None:
    photos = {sample.name: sample.file().read_bytes() for sample in SAMPLES}
    hero([photos[name] for name in SHOWN]).save(HERE / "hero.jpg", quality=85)
    figure = io.BytesIO()
    dinoseg.attend(photos["chelsea.png"]).figure().savefig(figure, format="png", dpi=100)
    PIL.Image.open(figure).convert("RGB").save(HERE / "heads.jpg", quality=85)


if __name__ == "__main__":
    main()
