import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms

from dinoseg.errors import ImageVanished, TruncatedImage
from dinoseg.images.profile import read_profiled
from tests.helpers import disk_photo, encode, exif_of

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PIXELS = disk_photo(24, 32)[0]


def test_pixels_are_the_file_s_own_and_upright(tmp_path):
    PIL.Image.fromarray(PIXELS).save(tmp_path / "a.png", icc_profile=PROFILE, exif=exif_of(6))
    for content in (tmp_path / "a.png", (tmp_path / "a.png").read_bytes()):
        read = read_profiled(content)
        np.testing.assert_array_equal(read.pixels, np.rot90(PIXELS, -1))
        assert read.profile == PROFILE


def test_other_pixels_in_its_colours():
    read = read_profiled(encode(PIXELS, icc_profile=PROFILE))
    assert np.abs(read.from_srgb(PIXELS).astype(int) - PIXELS).max() <= 2


@pytest.mark.parametrize(
    "content",
    [
        encode(PIXELS),
        encode(PIXELS, icc_profile=b"damaged"),
        encode(PIXELS[..., 0], icc_profile=PROFILE),  # grey
        PIXELS,
        PIL.Image.fromarray(PIXELS),
    ],
    ids=["none", "damaged", "grey", "an array", "an image"],
)
def test_nothing_to_keep(content):
    assert read_profiled(content) is None


def test_what_cannot_be_read_is_a_typed_error(tmp_path):
    with pytest.raises(ImageVanished):
        read_profiled(tmp_path / "gone.jpg")
    with pytest.raises(TruncatedImage):
        read_profiled(encode(PIXELS, icc_profile=PROFILE)[:-600])
