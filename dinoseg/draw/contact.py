"""A sheet of labelled thumbnails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

CELL = (240, 180)  # px of one thumbnail, width x height
GAP = 14  # px
HEADING = 44  # px
CAPTION = 40  # px below a thumbnail: name and caption
TITLE = 32  # px above a row
COLUMNS = 8

PAPER = (250, 250, 248)
INK = (30, 30, 30)
GREY = (120, 120, 120)
AMBER = (170, 100, 0)
RED = (190, 30, 30)


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One picture of the sheet."""

    picture: Image.Image | None
    """None: there is none, and an empty frame is drawn."""
    name: str
    caption: str = ""
    ink: tuple[int, int, int] = GREY
    """Of the caption, and of the frame around the picture where it is not grey."""


def thumbnail(picture: Image.Image) -> Image.Image:
    """The picture reduced to fit one cell, RGB and without metadata."""
    small = picture.convert("RGB")
    small.thumbnail(CELL, Image.Resampling.LANCZOS, reducing_gap=3.0)
    small.info.clear()
    return small


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A row of a sheet: tiles that belong together, under one title."""

    title: str
    colour: tuple[int, int, int]
    tiles: Sequence[Tile]


def contact_sheet(tiles: Sequence[Tile], heading: str) -> Image.Image:
    """All tiles in rows under a heading, as one RGB picture; keep the number of tiles small."""
    columns = max(1, min(COLUMNS, math.ceil(math.sqrt(1.5 * len(tiles)))))
    rows = math.ceil(len(tiles) / columns)
    sheet, draw = headed(max(columns, 2), rows * (CELL[1] + CAPTION + GAP), heading)
    for index, tile in enumerate(tiles):
        left = GAP + index % columns * (CELL[0] + GAP)
        top = HEADING + index // columns * (CELL[1] + CAPTION + GAP)
        place(sheet, draw, tile, (left, top))
    return sheet


def row_sheet(rows: Sequence[Row], heading: str) -> Image.Image:
    """One row of tiles below another, each below its title in its colour, as one RGB picture."""
    columns = max((len(row.tiles) for row in rows), default=0)
    step = TITLE + CELL[1] + CAPTION + GAP
    sheet, draw = headed(max(columns, 2), len(rows) * step, heading)
    for index, row in enumerate(rows):
        top = HEADING + index * step
        draw.rectangle((GAP, top + 4, GAP + TITLE - 12, top + TITLE - 8), fill=row.colour)
        middle = (GAP + TITLE, top + (TITLE - 4) / 2)
        draw.text(middle, printable(row.title), INK, ImageFont.load_default(15), anchor="lm")
        for column, tile in enumerate(row.tiles):
            place(sheet, draw, tile, (GAP + column * (CELL[0] + GAP), top + TITLE))
    return sheet


def headed(columns: int, height: int, heading: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty sheet with room for so many cells side by side and ``height`` px below its heading."""
    sheet = Image.new("RGB", (columns * (CELL[0] + GAP) + GAP, HEADING + height + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, HEADING / 2), printable(heading), INK, ImageFont.load_default(18), anchor="lm")
    return sheet, draw


def place(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, corner: tuple[int, int]) -> None:
    """One tile with its name and caption, its cell's top left at ``corner``; the picture stands on the name."""
    left, top = corner
    right, bottom = left + CELL[0], top + CELL[1]
    if tile.picture is None:
        draw.line((left, top, right, bottom), tile.ink)
        draw.line((left, bottom, right, top), tile.ink)
        box = (left, top, right, bottom)
    else:
        picture = thumbnail(tile.picture)
        at = (left + (CELL[0] - picture.width) // 2, bottom - picture.height)
        sheet.paste(picture, at)
        box = (at[0], at[1], at[0] + picture.width, bottom)
    if tile.ink != GREY:
        draw.rectangle(box, outline=tile.ink, width=2)
    font, small = ImageFont.load_default(13), ImageFont.load_default(11)
    middle = left + CELL[0] / 2
    draw.text((middle, bottom + 14), shorten(tile.name, font), INK, font, anchor="mm")
    draw.text((middle, bottom + 30), printable(tile.caption), tile.ink, small, anchor="mm")


def shorten(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The name on one line as wide as a cell: what is too long loses its middle."""
    name = printable(name)
    kept = name
    while font.getlength(kept) > CELL[0] and len(name) > 2:
        half = (len(kept) - 2) // 2
        kept = f"{name[:half]}…{name[-half:]}"
    return kept


def printable(text: str) -> str:
    """Text for one line: control characters and undecodable bytes (surrogates) become question marks."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
