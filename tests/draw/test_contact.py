import numpy as np
import PIL.Image
import pytest
from PIL import ImageFont

from dinoseg.draw.contact import CELL, PAPER, Row, Tile, contact_sheet, printable, row_sheet, shorten, thumbnail

RED = (255, 0, 0)


def tiles(n, size=(64, 48)):
    return [Tile(PIL.Image.new("RGB", size, RED), f"{index:02d}.jpg", "1 object") for index in range(n)]


def red(sheet):
    """Number of red pixels."""
    return int((np.asarray(sheet) == RED).all(axis=2).sum())


@pytest.mark.parametrize(("n", "columns", "rows"), [(1, 2, 1), (3, 3, 1), (6, 3, 2), (48, 8, 6), (49, 8, 7)])
def test_every_picture_is_there(n, columns, rows):
    sheet = contact_sheet(tiles(n), f"{n} images")
    assert red(sheet) == n * 64 * 48
    assert sheet.width // CELL[0] == columns
    assert CELL[1] * rows < sheet.height < (CELL[1] + 70) * rows + 80


def test_what_has_no_picture_has_a_crossed_frame_in_its_ink():
    pixels = np.asarray(contact_sheet([Tile(None, "a.jpg", "failed: truncated", RED)], "1 image")) == RED
    assert pixels.all(axis=2).sum() > 2 * (CELL[0] + CELL[1])


def test_no_pictures_leave_the_heading():
    sheet = contact_sheet([], "0 of 0 images")
    pixels = np.asarray(sheet)
    assert (pixels[0, 0] == PAPER).all()
    assert (pixels != PAPER).any()


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((480, 360), (240, 180)),
        ((480, 180), (240, 90)),
        ((180, 720), (45, 180)),
        ((100, 50), (100, 50)),  # never enlarged
        ((5000, 1), (240, 1)),
    ],
)
def test_thumbnail_fits_a_cell(size, small):
    assert thumbnail(PIL.Image.new("RGB", size)).size == small


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_thumbnail_of_any_mode_without_metadata(mode):
    picture = PIL.Image.new(mode, (50, 50))
    picture.info["comment"] = "secret"
    small = thumbnail(picture)
    assert small.mode == "RGB"
    assert small.info == {}


def test_short_names_stay():
    assert shorten("sub/cat.jpg", ImageFont.load_default(13)) == "sub/cat.jpg"


@pytest.mark.parametrize("name", ["a" * 300 + ".jpg", "很" * 200, "WWWWWWWWWWWWWWWWWWWWWWWWWWWW.jpg"])
def test_long_names_lose_their_middle(name):
    font = ImageFont.load_default(13)
    short = shorten(name, font)
    assert font.getlength(short) <= CELL[0]
    assert (short[0], short[-1]) == (name[0], name[-1])
    assert "…" in short


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("two\nlines\x1b[31m.jpg", "two?lines?[31m.jpg"),
        ("caf\udce9.jpg", "caf?.jpg"),
        ("猫 é.jpg", "猫 é.jpg"),
    ],
)
def test_h112_only_printable_text_is_drawn(text, printed):
    assert printable(text) == printed
    contact_sheet([Tile(PIL.Image.new("RGB", (8, 8)), text, text)], text)


@pytest.mark.parametrize("lengths", [[], [0], [3], [1, 4, 2]])
def test_rows_of_tiles_below_their_titles(lengths):
    rows = [Row(f"{number}: some", (0, 0, 255), tiles(length)) for number, length in enumerate(lengths, 1)]
    sheet = row_sheet(rows, "groups")
    assert red(sheet) == sum(lengths) * 64 * 48
    assert sheet.width // CELL[0] == max([2, *lengths])
    pixels = np.asarray(sheet)
    blue = (pixels == (0, 0, 255)).all(axis=2)
    assert (np.diff(blue.any(axis=1).astype(int)) == 1).sum() == len(lengths)  # a swatch for each row
