"""The space of features as a picture: what lies close together is alike to the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dinoseg.draw.colours import object_colours
from dinoseg.draw.contact import GREY, INK, PAPER, printable

SIDE = 1600  # px of the map
MARGIN = 60  # px around it
THUMBNAIL = 56  # px
FRAME = 3  # px of a class's colour around a thumbnail
LINE = 22  # px between the lines of the legend
LEGEND = 230  # px: one column of the legend
NAMED, LARGE = 120, 30  # up to so many classes are named on the map itself, and in large letters
LETTERS = 26  # of a class's name
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def feature_map(
    points: NDArray[np.float64],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    pictures: Sequence[Image.Image | None],
    heading: str,
) -> Image.Image:
    """A map of pictures at ``points`` ``(n, 2)``, with colours for the classes ``labels`` ``(n,)``.

    Every picture is a dot; ``pictures`` (None where there is none to show) stand as thumbnails wherever they do not
    cover one another. Names of classes are in the legend, and at their middle unless there are too many.
    """
    columns = -(-len(classes) // ((SIDE - 2 * MARGIN) // LINE))
    page = Image.new("RGB", (SIDE + columns * LEGEND, SIDE), PAPER)
    draw = ImageDraw.Draw(page)
    colours = [tuple(map(int, colour)) for colour in object_colours(len(classes))]
    places = on_page(points)  # (n, 2)
    for place, label in zip(places, labels, strict=True):
        dot(draw, place, colours[label])
    for index in apart(places, [picture is not None for picture in pictures]):
        put_thumbnail(page, draw, pictures[index], places[index], colours[labels[index]])
    if len(classes) <= NAMED:
        for number, name in enumerate(classes):
            if (labels == number).any():
                font = ImageFont.load_default(20 if len(classes) <= LARGE else 12)
                label_at(draw, np.median(places[labels == number], axis=0), name, colours[number], font)
    draw.text((MARGIN, MARGIN / 2), printable(heading), INK, ImageFont.load_default(20), anchor="lm")
    legend(draw, classes, colours)
    return page


def on_page(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Points ``(n, 2)`` as px of the map, ``(n, 2)``: the aspect is kept, margins stay free."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (SIDE - 3 * MARGIN) / max(float((high - low).max()), 1e-12)
    centred = (points - (low + high) / 2) * scale
    return np.round(centred + SIDE / 2 + [0, MARGIN / 4]).astype(np.int64)


def apart(places: NDArray[np.int64], shown: Sequence[bool]) -> list[int]:
    """Those that are to be shown and cover none of those before them."""
    chosen: list[int] = []
    for index in np.flatnonzero(shown):
        if not chosen or (np.abs(places[chosen] - places[index]).max(axis=1) >= THUMBNAIL + FRAME).all():
            chosen.append(int(index))
    return chosen


def dot(draw: ImageDraw.ImageDraw, place: NDArray[np.int64], colour: tuple[int, ...]) -> None:
    """A disk of a class's colour."""
    x, y = map(int, place)
    draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour, outline=PAPER)


def put_thumbnail(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    picture: Image.Image | None,
    place: NDArray[np.int64],
    colour: tuple[int, ...],
) -> None:
    """A square picture in a frame of its class's colour."""
    assert picture is not None
    left, top = (int(x) - THUMBNAIL // 2 for x in place)
    frame = (left - FRAME, top - FRAME, left + THUMBNAIL + FRAME - 1, top + THUMBNAIL + FRAME - 1)
    draw.rectangle(frame, fill=colour)
    page.paste(square(picture, THUMBNAIL), (left, top))


def square(picture: Image.Image, side: int) -> Image.Image:
    """The middle square of a picture, ``side`` px."""
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    middle = picture.convert("RGB").crop((left, top, left + short, top + short))
    return middle.resize((side, side), Image.Resampling.LANCZOS)


def label_at(
    draw: ImageDraw.ImageDraw, place: NDArray[np.float64], name: str, colour: tuple[int, ...], font: Font
) -> None:
    """A name on a plate in its class's colour."""
    at = (float(place[0]), float(place[1]))
    left, top, right, bottom = draw.textbbox(at, shown(name), font, anchor="mm")
    draw.rounded_rectangle((left - 6, top - 4, right + 6, bottom + 4), 5, fill=PAPER, outline=colour, width=3)
    draw.text(at, shown(name), INK, font, anchor="mm")


def legend(draw: ImageDraw.ImageDraw, classes: Sequence[str], colours: Sequence[tuple[int, ...]]) -> None:
    """Names beside their colours, in columns right of the map."""
    rows = (SIDE - 2 * MARGIN) // LINE
    font = ImageFont.load_default(15)
    for number, (name, colour) in enumerate(zip(classes, colours, strict=True)):
        left, top = SIDE + number // rows * LEGEND, MARGIN + number % rows * LINE
        draw.rectangle((left, top, left + 14, top + 14), fill=colour, outline=GREY)
        draw.text((left + 22, top + 7), shown(name), INK, font, anchor="lm")


def shown(name: str) -> str:
    """A class's name on one short line."""
    name = printable(name).replace("_", " ")
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
