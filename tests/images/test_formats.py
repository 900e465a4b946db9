"""What the first bytes say, for files that are no photograph that is read."""

import io
import struct

import PIL.Image
import pytest

from dinoseg.errors import NotAnImage, UnsupportedFormat
from dinoseg.images import formats
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
    (b"v/1\x01\2\0\0\0", "OpenEXR"),
    (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe", "Radiance"),
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


def with_marker(marker):
    """A JPEG whose frame says that it is coded in another way."""
    content = encode(gradient(), "JPEG")
    return content.replace(b"\xff\xc0", bytes((0xFF, marker)), 1)


@pytest.mark.parametrize(
    ("marker", "said"), [(0xC3, "lossless"), (0xC6, "hierarchical"), (0xCB, "lossless"), (0xF7, "JPEG-LS")]
)
def test_kinds_of_jpeg_that_are_not_read_are_not_called_damaged(marker, said):
    with pytest.raises(UnsupportedFormat, match=said):
        open_image(io.BytesIO(with_marker(marker)))


@pytest.mark.parametrize("between", [b"", b"\xff\xff", b"\xff\xd0", b"\xff\xe5\0\4\xff\xc3"])
def test_a_jpeg_is_told_by_the_marker_of_its_frame_alone(between):
    """Bytes that fill up, markers without length, and what only looks like a marker of a frame."""
    content = encode(gradient(), "JPEG")
    known, image = open_image(io.BytesIO(content[:2] + between + content[2:]))
    assert known.name == "jpeg"
    assert image.size == (64, 48)
    with pytest.raises(UnsupportedFormat):
        open_image(io.BytesIO(content[:2] + between + with_marker(0xC3)[2:]))


@pytest.mark.parametrize("content", [b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0\0", b"\xff\xd8\xff\xff\xff"])
def test_a_jpeg_that_ends_before_its_frame_is_damaged(content):
    with pytest.raises(SyntaxError):
        open_image(io.BytesIO(content))


def tiff_of(compression):
    """A TIFF that says that it is compressed in that way."""
    content = encode(gradient(), "TIFF")
    entry = struct.pack("<HHII", 259, 3, 1, 1)
    assert content.count(entry) == 1
    return content.replace(entry, struct.pack("<HHII", 259, 3, 1, compression))


@pytest.mark.parametrize("compression", [34712, 34887, 50002])  # JPEG 2000, LERC, JPEG XL
def test_a_tiff_of_an_unknown_compression_is_not_called_damaged(compression):
    with pytest.raises(UnsupportedFormat, match=f"TIFF of compression {compression}"):
        open_image(io.BytesIO(tiff_of(compression)))


def test_a_tiff_of_a_compression_that_this_build_lacks_is_not_called_damaged(monkeypatch):
    monkeypatch.setattr(formats, "has_codec", lambda name: name != "webp")
    with pytest.raises(UnsupportedFormat, match="TIFF of compression webp"):
        open_image(io.BytesIO(tiff_of(50001)))
    open_image(io.BytesIO(tiff_of(50000)))  # zstd: that its data are damaged is for decoding to say


def test_what_this_build_cannot_write_it_cannot_read(monkeypatch):
    def lacking(*_, **__):
        raise OSError("encoder error -2 when writing image file")

    assert formats.has_codec("jpeg")
    monkeypatch.setattr(PIL.Image.Image, "save", lacking)
    assert not formats.has_codec.__wrapped__("webp")
