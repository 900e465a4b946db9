"""Every way to 8-bit RGB, against values worked out by hand."""

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dinoseg.errors import UnsupportedImage
from dinoseg.images.colour import array_to_rgb, image_to_rgb

GREY = [51, 51, 51]

ARRAYS = [
    (np.full((4, 5), 51, np.uint8), GREY),  # grey without a channel axis
    (np.full((4, 5, 1), 51, np.uint8), GREY),  # grey with one
    (np.full((4, 5, 3), [1, 2, 3], np.uint8), [1, 2, 3]),  # RGB as it is
    (np.full((4, 5, 4), [10, 20, 30, 255], np.uint8), [10, 20, 30]),  # opaque
    (np.full((4, 5, 4), [10, 20, 30, 0], np.uint8), [255, 255, 255]),  # nothing but the white below
    (np.full((4, 5, 4), [0, 0, 255, 51], np.uint8), [204, 204, 255]),  # a fifth of blue over white
    (np.full((4, 5, 4), [5, 5, 5, 100], np.uint8), [157, 157, 157]),  # 156.96, rounded
    (np.full((4, 5), True), [255, 255, 255]),  # bool
    (np.full((4, 5), 51 * 257, np.uint16), GREY),  # 16 bit: 65535 is white
    (np.full((4, 5), 255, np.uint16), [1, 1, 1]),  # 0.99, rounded
    (np.full((4, 5, 3), 65535, np.uint16), [255, 255, 255]),  # not clipped, not wrapped
    (np.full((4, 5, 4), [0, 0, 65535, 51 * 257], np.uint16), [204, 204, 255]),  # alpha has 16 bit too
    (np.full((4, 5), 0.2, np.float32), GREY),  # float counts from 0 to 1
    (np.full((4, 5, 3), 1.0, np.float16), [255, 255, 255]),  # half precision
    (np.full((4, 5, 3), 0.2, np.float64), GREY),  # double precision
    (np.full((1, 1), 51, np.uint8), GREY),  # one pixel
]


@pytest.mark.parametrize(("array", "colour"), ARRAYS)
def test_a08_a09_a10_arrays(array, colour):
    before = array.copy()
    rgb = array_to_rgb(array).pixels
    assert rgb.shape == (*array.shape[:2], 3)
    assert rgb.dtype == np.uint8
    assert (rgb == colour).all()
    np.testing.assert_array_equal(array, before)


REFUSED = [
    (np.zeros((3, 40, 50), np.uint8), r"\(3, 40, 50\)"),  # channels first
    (np.zeros((40, 50, 2), np.uint8), r"\(40, 50, 2\)"),  # two channels
    (np.zeros(40, np.uint8), r"\(40,\)"),  # one axis
    (np.zeros((1, 40, 50, 3), np.uint8), "40, 50, 3"),  # a batch
    (np.zeros((0, 50, 3), np.uint8), r"\(0, 50, 3\)"),  # no pixel
    (np.zeros((4, 5), complex), "complex"),  # no colour at all
    (np.full((4, 5), "a"), "U1"),  # no number
    (np.full((4, 5), np.nan), "NaN"),  # not a number
    (np.array([[0.5, np.nan]]), "NaN"),  # one of them
    (np.full((4, 5), np.inf), "infinite"),  # beyond every white
]


@pytest.mark.parametrize(("array", "said"), REFUSED)
def test_a10_arrays_without_a_meaning_are_refused(array, said):
    with pytest.raises(UnsupportedImage, match=said):
        array_to_rgb(array)


def of_mode(mode, value):
    return PIL.Image.new(mode, (5, 4), value)


def palette(**info):
    image = of_mode("P", 1)
    image.putpalette([9, 9, 9, 10, 20, 30])
    image.info.update(info)
    return image


def array_image(value, dtype):
    return PIL.Image.fromarray(np.full((4, 5), value, dtype))


MODES = [
    (of_mode("1", 1), [255, 255, 255]),
    (of_mode("L", 51), GREY),
    (of_mode("LA", (51, 255)), GREY),
    (of_mode("LA", (0, 51)), [204, 204, 204]),  # a fifth of black over white
    (of_mode("LA", (0, 51)).convert("La"), [204, 204, 204]),  # the same, premultiplied
    (palette(), [10, 20, 30]),
    (palette(transparency=1), [255, 255, 255]),  # the one colour is the transparent one
    (palette(transparency=bytes([255, 51])), [206, 208, 210]),  # an alpha for each palette entry
    (palette().convert("PA"), [10, 20, 30]),
    (of_mode("RGB", (1, 2, 3)), [1, 2, 3]),
    (of_mode("RGBA", (0, 0, 255, 51)), [204, 204, 255]),
    (of_mode("RGBA", (0, 0, 255, 51)).convert("RGBa"), [204, 204, 255]),
    (of_mode("CMYK", (255, 0, 0, 0)), [0, 255, 255]),  # cyan
    (of_mode("YCbCr", (51, 128, 128)), GREY),
    (of_mode("HSV", (0, 0, 51)), GREY),
    (array_image(51 * 257, np.uint16), GREY),  # I;16
    (array_image(51 * 257, ">u2"), GREY),  # I;16B
    (array_image(51 * 257, np.int32), GREY),  # I: how Pillow hands out some 16-bit files
    (array_image(0.2, np.float32), GREY),  # F
]


@pytest.mark.parametrize(("image", "colour"), MODES, ids=lambda value: getattr(value, "mode", None))
def test_a07_a10_a11_modes(image, colour):
    rgb = image_to_rgb(image).pixels
    assert rgb.shape == (4, 5, 3)
    assert rgb.dtype == np.uint8
    assert (rgb == colour).all()


RAMP = np.linspace(0, 1, 4000).reshape(50, 80)
STRETCHED = [
    (RAMP * 4095).astype(np.uint16),  # a 12-bit camera
    (27000 + RAMP * 3000).astype(np.uint16),  # a thermal camera
    (RAMP * 255).astype(np.uint16),  # 8 bit in the wrong type
    (RAMP * 200 - 100).astype(np.int16),  # below zero, as in tomography
    (RAMP * 1e6).astype(np.int32),  # above 16 bit
    (RAMP * 255).astype(np.int64),
    (RAMP * 255).astype(np.float32),  # floats that go to 255
    (273.15 + RAMP * 30).astype(np.float64),  # kelvin
    (RAMP * 0.1).astype(np.float32),  # dark, but floats in 0..1
]


@pytest.mark.parametrize("array", STRETCHED, ids=lambda array: f"{array.dtype} {array.min():g} to {array.max():g}")
def test_a10_values_that_leave_their_scale_or_use_little_of_it_are_stretched(array):
    pixels, notes = array_to_rgb(array)
    assert np.abs(pixels[..., 0] - RAMP * 255).max() < 2
    (note,) = notes
    assert note.startswith("values stretched: ")


@pytest.mark.parametrize(
    "array", [(RAMP * 20000).astype(np.uint16), (RAMP * 0.3).astype(np.float32), (0.6 + RAMP * 0.3).astype(np.float32)]
)
def test_a10_values_that_use_a_quarter_of_their_scale_stay(array):
    pixels, notes = array_to_rgb(array)
    assert not notes
    np.testing.assert_allclose(pixels[..., 0], array / (1 if array.dtype == np.float32 else 65535) * 255, atol=0.51)


def test_a10_single_dead_and_hot_pixels_do_not_count():
    array = (1000 + RAMP * 3000).astype(np.uint16)
    array[3, 3], array[5, 5] = 0, 65535
    pixels, notes = array_to_rgb(array)
    assert notes
    assert (pixels[3, 3, 0], pixels[5, 5, 0]) == (0, 255)
    assert np.abs(pixels[10:, :, 0] - RAMP[10:] * 255).max() < 2


def test_a10_the_scale_can_be_named():
    array = np.array([[-5.0, 0, 20, 100, 105]])
    pixels, notes = array_to_rgb(array, (0, 100))
    assert pixels[0, :, 0].tolist() == [0, 0, 51, 255, 255]
    assert not notes
    grey = np.array([[7, 8]], np.uint8)
    np.testing.assert_array_equal(array_to_rgb(grey, (0, 100)).pixels[..., 0], grey)  # 8 bit has its scale


def test_a10_alpha_is_never_stretched():
    array = np.zeros((50, 80, 4), np.uint16)
    array[..., :3] = (RAMP * 4095)[..., None]
    array[..., 3] = 65535
    np.testing.assert_allclose(array_to_rgb(array).pixels[..., 0], RAMP * 255, atol=2)


def test_arrays_that_may_not_be_written_to_give_pixels_that_may():
    array = np.zeros((4, 5, 3), np.uint8)
    array.flags.writeable = False
    assert array_to_rgb(array).pixels.flags.writeable


def test_a07_a_colour_that_stands_for_transparent():
    image = of_mode("RGB", (1, 2, 3))
    image.info["transparency"] = (1, 2, 3)
    assert (image_to_rgb(image).pixels == 255).all()


@given(arrays.arrays(np.uint8, (3, 4, 4)))
def test_a07_array_and_pil_image_agree(rgba):
    np.testing.assert_array_equal(array_to_rgb(rgba).pixels, image_to_rgb(PIL.Image.fromarray(rgba)).pixels)


@given(arrays.arrays(np.uint8, (3, 4)), st.sampled_from([np.uint16, np.float32, np.float64]))
def test_a10_scaling_up_and_back_changes_nothing(grey, dtype):
    deep = grey.astype(dtype) * 257 if dtype == np.uint16 else (grey / 255).astype(dtype)
    scale = (0, 65535) if dtype == np.uint16 else (0, 1)
    np.testing.assert_array_equal(array_to_rgb(deep, scale).pixels, array_to_rgb(grey).pixels)
