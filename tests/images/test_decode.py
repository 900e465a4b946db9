"""Files, bytes, PIL images and arrays -> Photo, and everything that can be wrong with them."""

import io
import os
import re
import struct
import sys
import warnings
import zlib
from contextlib import suppress

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageCms, features
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from dinoseg.errors import (
    ImageError,
    ImageForbidden,
    ImageTooLarge,
    ImageVanished,
    NotAnImage,
    TruncatedImage,
    UnsupportedFormat,
    UnsupportedImage,
)
from dinoseg.images.decode import as_source, decode
from dinoseg.types import Failure, Source
from tests.helpers import broken_images, disk_photo, encode, gradient

LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}, "BMP": {}, "PPM": {}}


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SWAPPED = (SRGB.replace(b"rXYZ", b"XYZr").replace(b"bXYZ", b"rXYZ").replace(b"XYZr", b"bXYZ")).replace(
    "sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be")
)
"""A profile whose red is the blue of sRGB, and the other way round."""


def write(path, content):
    path.write_bytes(content)
    return as_source(path)


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of odd metadata


# What comes out.


@pytest.mark.parametrize(("kind", "options"), LOSSLESS.items())
def test_lossless_formats_come_back_exactly(tmp_path, kind, options):
    photo = decode(write(tmp_path / f"a.{kind.lower()}", encode(gradient(31, 47), kind, **options)))
    np.testing.assert_array_equal(photo.pixels, gradient(31, 47))
    assert (photo.id, photo.size, photo.notes) == (f"a.{kind.lower()}", (31, 47), ())


@pytest.mark.parametrize(("kind", "tolerance"), [("JPEG", 6), ("GIF", 24)])
def test_other_formats_come_back_nearly(kind, tolerance):
    photo = decode(as_source(encode(gradient(31, 47), kind)))
    assert np.abs(photo.pixels.astype(int) - gradient(31, 47)).mean() < tolerance


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (3, 2)])
def test_a13_tiny_images(shape):
    photo = decode(as_source(encode(gradient(*shape))))
    np.testing.assert_array_equal(photo.pixels, gradient(*shape))


def test_pixels_may_be_written_to():
    assert decode(as_source(encode(gradient()))).pixels.flags.writeable  # torch.from_numpy asks for it


@pytest.mark.parametrize(
    ("image", "index", "id_"),
    [
        ("some/where/cat.jpg", 3, "cat.jpg"),  # a path as text
        (b"...", 3, "image-000003"),  # bytes have no name
        (np.zeros((2, 2), np.uint8), 0, "image-000000"),  # nor have arrays
    ],
)
def test_ids(image, index, id_):
    assert as_source(image, index).id == id_


def test_a23_inputs_are_left_as_they_are(tmp_path):
    source = write(tmp_path / "a.jpg", encode(gradient(), "JPEG"))
    before = (source.content.read_bytes(), source.content.stat().st_mtime_ns)
    image = PIL.Image.fromarray(gradient())
    image.getexif()[0x0112] = 6
    decode(source)
    decode(as_source(image))
    assert (source.content.read_bytes(), source.content.stat().st_mtime_ns) == before
    assert (image.size, image.getexif()[0x0112]) == ((64, 48), 6)


# Orientation. EXIF says on which side of the scene the stored row 0 and column 0 lie; written out for each value.

STORED = {
    1: lambda scene: scene,  # top, left
    2: lambda scene: scene[:, ::-1],  # top, right
    3: lambda scene: scene[::-1, ::-1],  # bottom, right
    4: lambda scene: scene[::-1],  # bottom, left
    5: lambda scene: scene.swapaxes(0, 1),  # left, top
    6: lambda scene: scene.swapaxes(0, 1)[::-1],  # right, top
    7: lambda scene: scene.swapaxes(0, 1)[::-1, ::-1],  # right, bottom
    8: lambda scene: scene.swapaxes(0, 1)[:, ::-1],  # left, bottom
}


def turned(orientation, scene):
    image = PIL.Image.fromarray(np.ascontiguousarray(STORED[orientation](scene)))
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return image, exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),  # Pillow turns TIFFs by itself while it loads them
        ("TIFF", {"compression": "tiff_lzw"}),  # and does so elsewhere when libtiff decodes
    ],
)
def test_a05_exif_orientation_of_files(tmp_path, orientation, kind, options):
    image, exif = turned(orientation, gradient(31, 47))
    content = encode(image, kind, exif=exif, **options)
    for source in (write(tmp_path / f"a.{kind.lower()}", content), as_source(content)):
        photo = decode(source)
        np.testing.assert_array_equal(photo.pixels, gradient(31, 47))
        assert (photo.size, photo.notes) == ((31, 47), ())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("reduce_to", [None, 100])
def test_a05_exif_orientation_of_jpegs(orientation, reduce_to):
    image, exif = turned(orientation, gradient(401, 603))
    photo = decode(as_source(encode(image, "JPEG", exif=exif, quality=95)), reduce_to=reduce_to)
    factor = 4 if reduce_to else 1
    assert photo.size == (401, 603)
    assert photo.pixels.shape == (-(-401 // factor), -(-603 // factor), 3)
    small = PIL.Image.fromarray(gradient(401, 603)).resize(photo.pixels.shape[1::-1], PIL.Image.Resampling.BOX)
    assert np.abs(photo.pixels.astype(int) - np.asarray(small)).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "scene", [gradient(31, 47), gradient(31, 47)[..., 0], gradient(31, 47)[..., 0].astype(np.uint16) * 257]
)
def test_a05_exif_orientation_of_pil_images_of_files(orientation, scene):
    image, exif = turned(orientation, scene)
    opened = PIL.Image.open(io.BytesIO(encode(image, exif=exif)))
    np.testing.assert_array_equal(decode(as_source(opened)).pixels, decode(as_source(scene)).pixels)


MADE_FROM_A_FILE = [
    lambda image: image.transpose(PIL.Image.Transpose.ROTATE_270),  # upright by hand
    lambda image: image.resize((20, 10)),
    lambda image: image.convert("L"),
    lambda image: image.crop((3, 4, 30, 20)),
]


@pytest.mark.parametrize("made", MADE_FROM_A_FILE)
def test_a05_an_image_made_from_a_files_is_not_turned_by_the_tag_that_it_kept(made):
    image, exif = turned(6, gradient(31, 47))
    photo = decode(as_source(made(PIL.Image.open(io.BytesIO(encode(image, exif=exif))))))
    expected = np.asarray(made(image).convert("RGB"))
    assert photo.size == expected.shape[:2]
    np.testing.assert_array_equal(photo.pixels, expected)
    assert "EXIF orientation 6 not followed" in photo.notes[0]


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_a06_an_orientation_that_does_not_exist(orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    photo = decode(as_source(encode(gradient(), exif=exif)))
    np.testing.assert_array_equal(photo.pixels, gradient())
    assert str(orientation) in photo.notes[0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0garbage that is no TIFF header",  # no byte order
        b"Exif\0\0II*\0\xff\xff\xff\x7f",  # directory beyond the end
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x03\xff\xff\xff\xff\0\0\0\0",  # 65535 entries of 4 GiB
        b"Exif\0\0",  # nothing at all
    ],
)
def test_a06_malformed_exif_costs_nothing_but_a_note(kind, exif):
    photo = decode(as_source(encode(gradient(), kind, exif=exif)))
    assert photo.size == (48, 64)
    assert np.abs(photo.pixels.astype(int) - gradient()).mean() < 6


def test_a06_metadata_that_cannot_be_read_is_noted():
    assert decode(as_source(encode(gradient(), exif=b"Exif\0\0no TIFF header"))).notes == ("metadata unreadable",)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a06_malformed_colour_profile(kind):
    photo = decode(as_source(encode(gradient(), kind, icc_profile=b"no profile")))
    assert photo.notes == ("colour profile unreadable",)
    assert np.abs(photo.pixels.astype(int) - gradient()).mean() < 6


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a06_malformed_xmp(kind):
    assert decode(as_source(encode(gradient(), kind, xmp=b"<x:xmpmeta <<< tiff:Orientation=\xff"))).notes == ()


# Colours: the ways are tested in test_colour; here that files go them.


def test_a09_transparent_png_shows_white():
    rgba = np.dstack([gradient(), np.zeros((48, 64), np.uint8)])
    photo = decode(as_source(encode(rgba)))
    assert (photo.pixels == 255).all()
    assert photo.notes == ("alpha over white",)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a10_16_bit_files_are_scaled_not_clipped(kind):
    grey = gradient()[..., 0]
    photo = decode(as_source(encode(grey.astype(np.uint16) * 257, kind)))
    np.testing.assert_array_equal(photo.pixels, decode(as_source(grey)).pixels)
    assert photo.notes == ("from mode I;16",)


def test_a10_float_tiff():
    grey = gradient()[..., 0]
    np.testing.assert_array_equal(
        decode(as_source(encode((grey / 255).astype(np.float32), "TIFF"))).pixels, decode(as_source(grey)).pixels
    )
    with pytest.raises(UnsupportedImage, match=r"a\.tif.*NaN"):
        decode(Source("a.tif", encode(np.full((4, 5), np.nan, np.float32), "TIFF")))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a10_12_bit_in_16_is_stretched_and_the_note_says_so(kind):
    grey = gradient()[..., 0]  # 0..255
    photo = decode(as_source(encode(grey.astype(np.uint16) * 16, kind)))
    np.testing.assert_array_equal(photo.pixels, decode(as_source(grey)).pixels)
    assert f"values stretched: 0 to {16 * int(grey.max())} are black and white" in photo.notes


def test_a10_a_range_that_is_named_is_the_same_for_all_pictures():
    dark, bright = (encode(np.full((4, 5), value, np.uint16)) for value in (1000, 2000))
    photos = [decode(as_source(content).with_values((0, 4000))) for content in (dark, bright)]
    assert [photo.pixels[0, 0, 0] for photo in photos] == [64, 128]
    assert all("stretched" not in " ".join(photo.notes) for photo in photos)


def test_colours_of_a_profile_become_srgb():
    red = PIL.Image.new("RGB", (40, 30), (250, 10, 10))
    photo = decode(as_source(encode(red, icc_profile=SWAPPED)))
    assert photo.pixels[0, 0].tolist() == pytest.approx([10, 10, 250], abs=12)  # its red is the blue of sRGB
    assert photo.notes == ("from Swap built-in to sRGB",)
    again = decode(as_source(PIL.Image.open(io.BytesIO(encode(red, "JPEG", icc_profile=SWAPPED, quality=95)))))
    assert again.pixels[0, 0].tolist() == pytest.approx([10, 10, 250], abs=16)
    assert decode(as_source(encode(red, icc_profile=SRGB))).notes == ()
    np.testing.assert_array_equal(decode(as_source(encode(red, icc_profile=SRGB))).pixels, np.asarray(red))


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA", "L"])
def test_profiles_in_other_modes_keep_alpha_and_shape(mode):
    image = PIL.Image.fromarray(gradient()).convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(0)
    photo = decode(as_source(encode(image, icc_profile=SWAPPED)))
    assert photo.size == (48, 64)
    assert (photo.pixels == 255).all() == (mode in ("RGBA", "LA"))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_a11_cmyk(kind):
    photo = decode(as_source(encode(PIL.Image.fromarray(gradient()).convert("CMYK"), kind)))
    assert np.abs(photo.pixels.astype(int) - gradient()).mean() < 6
    assert photo.notes == ("from mode CMYK",)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_a12_the_first_frame_of_several(kind):
    first, second = (PIL.Image.new("RGB", (40, 30), colour) for colour in ("red", "blue"))
    photo = decode(as_source(encode(first, kind, save_all=True, append_images=[second])))
    assert (np.abs(photo.pixels.astype(int) - [255, 0, 0]) < 8).all()
    assert photo.notes == ("first of several frames",)


def test_a12_a_damaged_second_frame_does_not_cost_the_first():
    frames = [PIL.Image.fromarray(disk_photo(seed=seed)[0]) for seed in range(2)]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(as_source(content[:-3000])).size == (120, 160)


# Names and content.


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("a.jpg", "format png despite .jpg"),  # another format's suffix
        ("a.txt", "format png despite .txt"),  # no image's suffix
        ("a", "format png, no suffix"),
        ("a.PNG", None),  # case does not count
    ],
)
def test_a03_content_decides_not_the_suffix(tmp_path, name, note):
    photo = decode(write(tmp_path / name, encode(gradient())))
    np.testing.assert_array_equal(photo.pixels, gradient())
    assert photo.notes == ((note,) if note else ())


@pytest.mark.parametrize(
    "name",
    ["grün 🐈.png", "with space.png", "new\nline.png", "[rich] $HOME %s.png", "-rf.png", os.fsdecode(b"\xff\xfe.png")],
)
def test_b30_b31_any_name_is_read(tmp_path, name):
    np.testing.assert_array_equal(decode(write(tmp_path / name, encode(gradient()))).pixels, gradient())


# What is wrong with a file.

REASONS = {
    "empty.jpg": (NotAnImage, "empty"),
    "page.jpg": (NotAnImage, "HTML"),
    "notes.png": (NotAnImage, "text"),
    "zeros.jpg": (NotAnImage, "zero"),
    "phone.jpg": (ImageError, ""),  # damaged, or of a kind that needs a package
}


@pytest.mark.parametrize(("name", "content"), broken_images().items())
def test_a01_a02_a21_broken_files_are_typed_and_named(tmp_path, name, content):
    error, said = REASONS.get(name, (TruncatedImage, "cut short"))
    for source in (write(tmp_path / name, content), Source(name, content)):
        with pytest.raises(error, match=f"^{re.escape(source.label or name)}: .*{said}"):
            decode(source)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a01_a_cut_file_is_never_filled_up(kind, share):
    content = encode(disk_photo(200, 300)[0], kind)
    with pytest.raises(TruncatedImage):
        decode(as_source(content[: int(len(content) * share)]))


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}]
)
def test_a01_cut_in_other_layouts(options):
    content = encode(disk_photo(200, 300)[0], "JPEG" if "progressive" in options else "TIFF", **options)
    with pytest.raises(TruncatedImage):
        decode(as_source(content[: len(content) // 2]))


def test_a22_vanished_between_listing_and_reading(tmp_path):
    source = write(tmp_path / "sub.jpg", encode(gradient()))
    source.content.unlink()
    with pytest.raises(ImageVanished, match=r"sub\.jpg"):
        decode(source)
    with pytest.raises(ImageVanished):
        decode(as_source(write(tmp_path / "file", b"").content / "below-a-file.jpg"))


@pytest.mark.parametrize(
    ("raised", "error", "reason"),
    [
        (PermissionError(13, "Permission denied"), ImageForbidden, "permission"),
        (FileNotFoundError(2, "No such file or directory"), ImageVanished, "vanished"),
        (OSError(5, "Input/output error"), ImageError, "image"),  # a disk that fails is no damaged image
    ],
)
def test_b34_b38_what_the_system_refuses(tmp_path, monkeypatch, raised, error, reason):
    def refuse(*_):
        raise raised

    source = write(tmp_path / "a.png", encode(gradient()))
    monkeypatch.setattr("dinoseg.images.decode.open_regular", refuse)
    with pytest.raises(error, match=r"a\.png: ") as caught:
        decode(source)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("folder", NotAnImage),
        ("pipe", NotAnImage),  # opening it would wait for a writer
        ("loop", ImageError),  # a link to itself
        ("broken", ImageVanished),  # a link to nothing
        ("n\0l", ImageVanished),  # no system has such a name
        ("x" * 5000, ImageError),  # nor such a long one
    ],
)
def test_b37_what_is_no_regular_file_never_blocks(tmp_path, name, error):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "broken").symlink_to("nothing")
    with pytest.raises(error):
        decode(as_source(tmp_path / name))


def test_python_is_told_the_whole_path(tmp_path, monkeypatch):
    with pytest.raises(ImageVanished, match=f"^{re.escape(str(tmp_path / 'a.jpg'))}: is not there"):
        decode(as_source(tmp_path / "a.jpg"))
    with pytest.raises(ImageVanished, match=r"^https://a\.org/b\.jpg: is a URL"):
        decode(as_source("https://a.org/b.jpg"))
    with pytest.raises(ImageVanished, match=r"^'': is an empty name"):
        decode(as_source(""))
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "a.png", encode(gradient()))
    assert decode(as_source("~/a.png")).id == "a.png"


def test_what_is_not_supported_is_not_called_damaged(tmp_path):
    twelve = bytearray(encode(gradient(), "JPEG"))
    twelve[twelve.index(b"\xff\xc0") + 4] = 12  # the precision that the frame header says
    with pytest.raises(UnsupportedFormat, match="12-bit"):
        decode(as_source(bytes(twelve)))
    closed = PIL.Image.open(write(tmp_path / "a.png", encode(gradient())).content)
    closed.close()
    with pytest.raises(UnsupportedImage, match="was closed before it was read"):
        decode(as_source(closed))


def test_a21_phones_pictures_are_read_where_the_package_is(monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    heif.from_pillow(PIL.Image.fromarray(disk_photo(64, 96)[0])).save(file, quality=-1)
    photo = decode(as_source(file.getvalue()))
    assert np.abs(photo.pixels.astype(int) - disk_photo(64, 96)[0]).mean() < 3
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)
    with pytest.raises(UnsupportedFormat, match="pip install pillow-heif"):
        decode(as_source(file.getvalue()))


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000"])
def test_a21_avif_and_jpeg_2000_are_read(kind, monkeypatch):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    content = encode(disk_photo(64, 96)[0], kind, quality=95) if kind == "AVIF" else encode(disk_photo(64, 96)[0], kind)
    assert np.abs(decode(as_source(content)).pixels.astype(int) - disk_photo(64, 96)[0]).mean() < 3
    if kind == "AVIF":
        monkeypatch.setattr(features, "check", lambda _: False)
        with pytest.raises(UnsupportedFormat, match=r"pip install .pillow"):
            decode(as_source(content))


def test_a_failure_keeps_its_text_and_nothing_of_the_picture():
    content = encode(disk_photo(200, 300)[0], "JPEG")[:-900]
    try:
        decode(Source("a.jpg", content))
    except TruncatedImage as error:
        failure = Failure("a.jpg", error)
    assert failure.error.__traceback__ is failure.error.__cause__ is failure.error.__context__ is None
    assert "a.jpg: is cut short" in str(failure.error)


# Sizes and bombs.


def png_header(width, height):
    """A PNG that promises a size and holds no pixel."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", b""), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def test_a04_a16_too_many_pixels_are_refused_from_the_header():
    with pytest.raises(ImageTooLarge, match=r"bomb\.png: has 3,600,000,000 pixels.*--max-pixels 3600000000"):
        decode(Source("bomb.png", png_header(60000, 60000)))


@pytest.mark.parametrize("image", [gradient(), PIL.Image.fromarray(gradient()), encode(gradient())])
def test_a04_the_limit_holds_for_every_kind_of_input(image):
    assert decode(as_source(image), max_pixels=48 * 64).size == (48, 64)
    with pytest.raises(ImageTooLarge, match="64x48"):
        decode(as_source(image), max_pixels=48 * 64 - 1)


def test_a04_the_limit_can_be_raised_beyond_pillows_own(monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(as_source(encode(gradient(48, 64)))).size == (48, 64)
    assert PIL.Image.MAX_IMAGE_PIXELS == 1000  # h109: nor is it switched off


def test_h109_text_bomb():
    text = PngInfo()
    text.add_text("comment", "x" * 2_000_000, zip=True)
    with pytest.raises(ImageTooLarge):
        decode(as_source(encode(gradient(), pnginfo=text)))


def test_h109_memory_that_is_not_there(monkeypatch):
    def exhaust(*_):
        raise MemoryError

    monkeypatch.setattr(PIL.Image.Image, "load", exhaust)
    with pytest.raises(ImageTooLarge, match="MemoryError"):
        decode(as_source(PIL.Image.fromarray(gradient())))


def test_h110_only_listed_formats_are_ever_opened():
    for kind in ("ICO", "TGA", "PCX", "SGI", "ICNS"):
        with pytest.raises(NotAnImage):
            decode(as_source(encode(gradient(), kind)))


@pytest.mark.parametrize("tags", [{50706: bytes([1, 4, 0, 0])}, {254: 1}])
def test_a21_a_raw_files_thumbnail_is_not_taken_for_the_photograph(tags):
    directory = ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory[tag] = value
    with pytest.raises(UnsupportedFormat, match="rawpy"):
        decode(as_source(encode(gradient(), "TIFF", tiffinfo=directory)))


def test_a_pil_image_that_is_cut_short():
    image = PIL.Image.open(io.BytesIO(broken_images()["half.jpg"]))
    with pytest.raises(TruncatedImage, match="image-000002"):
        decode(as_source(image, 2))


@pytest.mark.parametrize("thing", [None, 3, [1, 2], {"a": 1}])
def test_things_that_are_no_image(thing):
    with pytest.raises(UnsupportedImage, match=type(thing).__name__):
        decode(Source("x", thing))


# Reduced scale.


@pytest.mark.parametrize(
    ("reduce_to", "long_side"),
    [
        (None, 1600),  # not asked for
        (1600, 1600),  # all of it is needed
        (801, 1600),  # half would be too little
        (800, 800),  # half
        (300, 400),  # a quarter
        (1, 200),  # an eighth is the least a JPEG can
    ],
)
def test_reduced_scale_keeps_what_is_needed(reduce_to, long_side):
    photo = decode(as_source(encode(gradient(1000, 1600), "JPEG")), reduce_to=reduce_to)
    assert photo.pixels.shape == (long_side * 1000 // 1600, long_side, 3)
    assert photo.size == (1000, 1600)


def test_a15_reduced_scale_of_a_strip():
    assert decode(as_source(encode(gradient(5, 4000), "JPEG")), reduce_to=600).pixels.shape == (2, 1000, 3)


def test_reduced_scale_of_other_formats_is_the_whole_image():
    assert decode(as_source(encode(gradient(100, 160))), reduce_to=10).pixels.shape == (100, 160, 3)


# Whatever the bytes are.


def decodes_or_says_why(content):
    with suppress(ImageError):
        photo = decode(as_source(content), max_pixels=1_000_000)
        assert photo.pixels.shape == (*photo.size, 3)


@given(st.binary(max_size=400))
def test_a01_a02_any_bytes(content):
    decodes_or_says_why(content)


def seeds():
    """One small file of each layout that a decoder has code of its own for."""
    photo = disk_photo(40, 50)[0]
    image, exif = turned(6, photo)
    grey = PIL.Image.fromarray(photo[..., 0])
    return [
        encode(image, "JPEG", exif=exif),
        encode(photo, "JPEG", progressive=True),
        encode(image.convert("CMYK"), "JPEG"),
        encode(photo, "PNG", exif=exif),
        encode(image.quantize(16), "PNG", transparency=3),
        encode(photo[..., 0].astype(np.uint16) * 257, "PNG"),
        encode(photo, "WEBP"),
        encode(photo, "WEBP", lossless=True, exif=exif),
        encode(photo, "TIFF", exif=exif),
        encode(photo, "TIFF", compression="tiff_lzw"),
        encode(photo, "TIFF", compression="jpeg"),
        encode((photo[..., 0] / 255).astype(np.float32), "TIFF"),
        encode(photo, "BMP"),
        encode(grey, "BMP"),
        encode(photo, "GIF", save_all=True, append_images=[grey]),
        encode(grey.convert("1"), "PPM"),
    ]


SEEDS = seeds()
WOUNDS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12)


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), WOUNDS, WOUNDS, st.floats(0.05, 1))
def test_a01_a06_any_damage_to_real_files(content, anywhere, in_header, kept):
    damaged = bytearray(content)
    for where, value in anywhere:
        damaged[int(where * (len(damaged) - 1))] = value
    for where, value in in_header:
        damaged[int(where * 120)] = value
    decodes_or_says_why(bytes(damaged[: int(len(damaged) * kept)]))


@pytest.mark.shared
def test_photographs_of_many_cameras(shared):
    for path in sorted((shared / "data/photos/exif_samples").iterdir()):
        with PIL.Image.open(path) as image:
            assert decode(as_source(path)).size == image.size[::-1]
