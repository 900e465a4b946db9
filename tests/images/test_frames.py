"""In which frame a mask is, as far as sizes tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinoseg.images.decode import as_source, decode
from dinoseg.images.frames import Frame, frame_of
from dinoseg.images.turns import TURNS
from tests.helpers import encode, exif_of, gradient


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_frame_is_that_of_the_decoder(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / "picture"
    path.write_bytes(encode(gradient(48, 64), kind, exif=exif_of(orientation)))
    frame = frame_of(path)
    assert frame == ((48, 64), orientation)
    assert frame is not None
    assert frame.upright == decode(as_source(path)).size


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    assert frame_of(path) is None
    path.write_text("no picture")
    assert frame_of(path) is None


@pytest.mark.parametrize(
    ("stored", "orientation", "size", "said", "turned"),
    [
        ((48, 64), 1, (48, 64), True, False),
        ((48, 64), 6, (48, 64), False, True),  # the sizes tell
        ((48, 64), 6, (64, 48), True, False),
        ((48, 64), 6, (50, 60), True, False),  # neither
        ((48, 64), 3, (48, 64), False, False),  # they do not
        ((48, 64), 3, (48, 64), True, True),
        ((64, 64), 6, (64, 64), False, False),
        ((64, 64), 6, (64, 64), True, True),
    ],
)
def test_sizes_tell_before_anybody_says(
    stored: tuple[int, int], orientation: int, size: tuple[int, int], said: bool, turned: bool
) -> None:
    expected = TURNS[orientation] if turned else None
    assert Frame(stored, orientation).turn(size, stored=said) == expected


def test_it_is_told_in_both_frames() -> None:
    assert str(Frame((48, 64), 6)) == "64 x 48 px as stored and 48 x 64 upright (EXIF orientation 6)"
    assert str(Frame((48, 64), 1)) == "64 x 48 px"
