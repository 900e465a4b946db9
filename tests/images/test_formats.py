"""What the first bytes say, for files that are no photograph that is read."""

import io

import pytest

from dinoseg.errors import NotAnImage, UnsupportedFormat
from dinoseg.images.formats import FORMATS, IMAGE_SUFFIXES, open_image
from tests.helpers import encode, gradient


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_each_format_is_told_by_its_content(kind):
    known, image = open_image(io.BytesIO(encode(gradient(48, 64), kind)))
    assert known.name == kind.lower()
    assert image.size == (64, 48)


def test_each_format_has_its_suffixes_in_folders():
    assert all(set(known.suffixes) < set(IMAGE_SUFFIXES) for known in FORMATS)


UNSUPPORTED = [
    (b"\xff\x0a\xfa\x1f", "JPEG XL"),  # bare codestream
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),  # in its box
    (b"II*\0\x10\0\0\0CR\x02\0", "raw file.*rawpy"),  # CR2 begins as a TIFF does
    (b"8BPS\0\1", "PSD"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'>", "SVG"),
    (b"<?xml version='1.0'?>\n<svg>", "SVG"),
    (b"%PDF-1.7", "PDF"),
]


@pytest.mark.parametrize(("content", "said"), UNSUPPORTED)
def test_a21_known_formats_that_are_not_read_say_what_helps(content, said):
    with pytest.raises(UnsupportedFormat, match=said):
        open_image(io.BytesIO(content))


FOREIGN = [
    (b"", "empty"),
    (bytes(600), "zero bytes"),  # a disk that lost it
    (b"<!doctype html><p>404", "HTML"),  # a download that failed
    (b"\n<HTML><body>", "HTML"),
    (b"just some words\r\n", "text"),
    ("Grüße".encode(), "text"),
    (b"\x7fELF\x02\x01\x01\0\0", "not an image"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n", "text"),  # h110: PostScript is a program; nothing here would run it
]


@pytest.mark.parametrize(("content", "said"), FOREIGN)
def test_a02_h110_other_content_is_named(content, said):
    with pytest.raises(NotAnImage, match=said):
        open_image(io.BytesIO(content))
