"""Colours of 16 bit a channel, of which a picture may use the lower ones alone."""

import cv2
import numpy as np
import PIL.Image
import pytest

from dinoseg.errors import TruncatedImage
from dinoseg.images import deep
from dinoseg.images.decode import as_source, decode
from tests.helpers import encode, gradient
from tests.images.test_decode import SWAPPED

DEFLATE = [cv2.IMWRITE_TIFF_COMPRESSION, 8]


def written(values, suffix=".png", options=()):
    """An encoded file of ``(H, W, 3 | 4)`` uint16 in RGB(A)."""
    order = [2, 1, 0, 3][: values.shape[2]]
    return cv2.imencode(suffix, values[..., order], options)[1].tobytes()


@pytest.mark.parametrize(("suffix", "options"), [(".png", ()), (".tif", ()), (".tif", DEFLATE), (".ppm", ())])
def test_colours_of_12_bit_are_stretched(suffix, options):
    photo = decode(as_source(written(gradient().astype(np.uint16) * 16, suffix, options)))
    np.testing.assert_array_equal(photo.pixels, gradient())
    assert photo.notes == ("values stretched: 0 to 4080 are black and white",)


def test_one_rule_for_all_pictures_holds_for_colours_too():
    dark = np.full((40, 50, 3), 1000, np.uint16)
    photo = decode(as_source(written(dark)).with_values((0, 4000)))
    assert (photo.pixels == 64).all()
    assert photo.notes == ()


def test_colours_that_use_their_scale_stay():
    photo = decode(as_source(written(gradient().astype(np.uint16) * 257)))
    np.testing.assert_array_equal(photo.pixels, gradient())
    assert photo.notes == ()


def test_alpha_is_not_stretched():
    values = np.dstack([gradient().astype(np.uint16) * 16, np.full((48, 64), 65535, np.uint16)])
    values[:10, :, 3] = 0
    pixels = decode(as_source(written(values))).pixels
    np.testing.assert_array_equal(pixels[10:], gradient()[10:])
    assert (pixels[:10] == 255).all()


def test_a_profile_is_followed_after_the_stretch():
    content = written(np.broadcast_to(np.array([4000, 0, 0], np.uint16), (40, 50, 3)))
    with_profile = encode(PIL.Image.new("RGB", (1, 1)), icc_profile=SWAPPED)
    start, end = with_profile.index(b"iCCP") - 4, with_profile.index(b"IDAT") - 4
    photo = decode(as_source(content[:33] + with_profile[start:end] + content[33:]))  # after the header
    assert photo.pixels[0, 0].tolist() == pytest.approx([0, 0, 255], abs=12)  # its red is the blue of sRGB
    assert photo.notes == ("values stretched: 0 to 4000 are black and white", "from Swap built-in to sRGB")


def test_a_damaged_file_is_never_filled_up():
    content = written(gradient().astype(np.uint16) * 16)
    with pytest.raises(TruncatedImage):
        decode(as_source(content[: len(content) // 2]))


@pytest.mark.parametrize("read", [None, np.zeros((48, 64, 3), np.uint16), np.zeros((48, 64), np.uint16)])
def test_what_only_pillow_reads_is_noted(monkeypatch, read):
    content = written(gradient().astype(np.uint16) * 257)
    monkeypatch.setattr(deep.cv2, "imdecode", lambda *_: read)
    photo = decode(as_source(content))
    assert photo.notes == (deep.LOST,)
    np.testing.assert_array_equal(photo.pixels, gradient())
