"""The allow-list: a magic number chooses the one Pillow class that may look at the content, never the suffix.

The classes are used directly because ``PIL.Image.open`` hides why a file was refused, and because its limit on pixels
is one global number for the whole process; ours travels with the call.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import IO

import PIL.Image
from PIL import features
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from dinoseg.errors import NotAnImage, UnsupportedFormat


@dataclass(frozen=True, slots=True)
class Format:
    """A format that is read."""

    name: str
    magic: re.Pattern[bytes]
    """How its content begins."""
    suffixes: tuple[str, ...]
    reader: Callable[[IO[bytes]], ImageFile]


FRAMES = {
    **dict.fromkeys((0xC3, 0xCB), "a lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "a hierarchical JPEG"),
    0xF7: "a JPEG-LS",
}
"""Markers that begin a frame which no JPEG library of Pillow's reads, and of what kind it is."""
SCAN = 0xDA
ALONE = (0x01, *range(0xD0, 0xDA))
"""Markers that no length follows."""
CODECS = ("jpeg", "lzma", "zstd", "webp")
"""Compressions of TIFF that its library may have been built without."""
FIRST_PRIVATE = 2**15
"""Numbers of compressions that firms registered begin here; tags that a damaged file may lack are below."""


def read_jpeg(stream: IO[bytes]) -> ImageFile:
    """A JPEG. Raises ``UnsupportedFormat`` for the kinds that only look damaged to Pillow."""
    kind = FRAMES.get(frame_marker(stream))
    if kind:
        raise unsupported(kind, "the program that made it can do that")
    stream.seek(0)
    return JpegImageFile(stream)


def frame_marker(stream: IO[bytes]) -> int:
    """The marker of a JPEG's frame, which says how it is coded; 0 where none comes before the picture's data."""
    stream.seek(2)
    while len(head := stream.read(4)) == 4 and head[0] == 0xFF and head[1] != SCAN:
        marker = head[1]
        if marker in FRAMES or 0xC0 <= marker <= 0xC2:
            return marker
        if marker == 0xFF:  # it fills up
            stream.seek(-3, io.SEEK_CUR)
        else:
            stream.seek(-2 if marker in ALONE else int.from_bytes(head[2:]) - 2, io.SEEK_CUR)
    return 0


def read_tiff(stream: IO[bytes]) -> ImageFile:
    """A TIFF. Raises ``UnsupportedFormat`` for a compression that is not known or not in this build of Pillow."""
    try:
        image = TiffImageFile(stream)
    except SyntaxError as error:  # Pillow's word for a number that it does not know is that number
        if str(error).isdecimal() and int(str(error)) >= FIRST_PRIVATE:
            raise unsupported(f"a TIFF of compression {error}", "the program that made it can do that") from error
        raise
    compression = str(image.info.get("compression"))
    if compression in CODECS and not has_codec(compression):
        raise unsupported(f"a TIFF of compression {compression}", "the program that made it can do that")
    return image


@lru_cache
def has_codec(compression: str) -> bool:
    """Whether this build reads a compression: then it writes it too. Damaged data would raise the same error."""
    try:
        PIL.Image.new("RGB", (16, 16)).save(io.BytesIO(), "TIFF", compression=compression)
    except (OSError, ValueError, KeyError):
        return False
    return True


def read_heif(stream: IO[bytes]) -> ImageFile:
    """A picture of a phone. Raises ``UnsupportedFormat`` without the extra package."""
    try:
        from pillow_heif.as_plugin import HeifImageFile
    except ImportError:
        raise unsupported("HEIC", "or: pip install pillow-heif, and it is read") from None
    image: ImageFile = HeifImageFile(stream)  # type: ignore[no-untyped-call]
    return image


def read_avif(stream: IO[bytes]) -> ImageFile:
    """An AVIF picture. Raises ``UnsupportedFormat`` where Pillow was built without it."""
    if not features.check("avif"):
        raise unsupported("AVIF", 'or: pip install "pillow>=11.3", and it is read')
    from PIL.AvifImagePlugin import AvifImageFile

    return AvifImageFile(stream)


FORMATS = (
    Format("jpeg", re.compile(rb"\xff\xd8\xff"), (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), read_jpeg),
    Format("png", re.compile(rb"\x89PNG\r\n\x1a\n"), (".png", ".apng"), PngImageFile),
    Format("webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL), (".webp",), WebPImageFile),
    Format("tiff", re.compile(rb"II\*\0|MM\0\*|II\+\0|MM\0\+"), (".tif", ".tiff"), read_tiff),
    Format("bmp", re.compile(rb"BM"), (".bmp", ".dib"), BmpImageFile),
    Format("gif", re.compile(rb"GIF8[79]a"), (".gif",), GifImageFile),
    Format("ppm", re.compile(rb"P[1-6]\s"), (".ppm", ".pgm", ".pbm", ".pnm"), PpmImageFile),
    Format("jpeg2000", re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), (".jp2", ".j2k", ".jpx"), Jpeg2KImageFile),
    Format("heif", re.compile(rb".{4}ftyp(hei|hev|mif1|msf1)", re.DOTALL), (".heic", ".heif"), read_heif),
    Format("avif", re.compile(rb".{4}ftypavi", re.DOTALL), (".avif",), read_avif),
)
READ = "JPEG, PNG, WebP, TIFF, BMP, GIF, PPM, JPEG 2000, HEIC or AVIF"
IMAGE_SUFFIXES = (*(suffix for known in FORMATS for suffix in known.suffixes), ".dng", ".jxl", ".psd", ".tga")
"""What is taken for a photograph inside a folder; those that are not read become failures that say what helps."""

REFUSED = (  # images of other kinds, and what turns them into one that is read
    ("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL ", "pip install pillow-jxl-plugin"),
    ("a camera's raw file", rb"II\*\0.{4}CR|.{4}ftypcrx|FUJIFILMCCD-RAW|IIRO|IIU\0", "pip install rawpy"),
    ("OpenEXR", rb"v/1\x01", "its editor can do that"),
    ("Radiance HDR", rb"#\?RADIANCE", "its editor can do that"),
    ("PSD", rb"8BPS", "its editor can do that"),
    ("SVG", rb"\s*(<\?xml.*)?<svg", "pip install cairosvg"),
    ("PDF", rb"%PDF", "pip install pypdfium2"),
)
HEAD = 512
"""Bytes that are looked at to tell what a file is."""


def open_image(stream: IO[bytes]) -> tuple[Format, ImageFile]:
    """Read the header. Raises ``NotAnImage``, ``UnsupportedFormat``, or whatever Pillow raises on a damaged header."""
    head = stream.read(HEAD)
    stream.seek(0)
    refuse(head)
    for known in FORMATS:
        if known.magic.match(head):
            return known, known.reader(stream)
    raise NotAnImage(f"{describe(head)}; it must be {READ}")


def refuse(head: bytes) -> None:
    """Raise ``UnsupportedFormat`` for the images that are known and not read."""
    for name, magic, help_ in REFUSED:
        if re.match(magic, head, re.DOTALL):
            raise unsupported(name, help_)


def unsupported(name: str, help_: str) -> UnsupportedFormat:
    """The error for an image of another kind."""
    return UnsupportedFormat(f"is {name}, which is not read; convert it to JPEG or PNG first ({help_})")


def describe(head: bytes) -> str:
    """What a file that is not an image seems to be."""
    if not head:
        return "is empty"
    if not head.strip(b"\0"):
        return "holds only zero bytes"
    if re.match(rb"\s*<(!doctype|html)", head, re.IGNORECASE):
        return "is an HTML page (a download that failed?)"
    if re.fullmatch(rb"[\t\n\f\r\x1b -~\x80-\xff]+", head):
        return "is text"
    return "is not an image of any kind that is told by its content (TGA has no mark)"
