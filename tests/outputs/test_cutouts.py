import io

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms

from dinoseg.errors import OutputConflict
from dinoseg.options import SUFFIXES, CutoutOptions
from dinoseg.outputs.backdrop import make_backdrop
from dinoseg.outputs.cutouts import draw, encode, soft_alpha
from dinoseg.outputs.format import Scene
from tests.helpers import disk_photo, exif_of
from tests.outputs.scenes import box_mask, disk, folder, photo_of, segmentation, write_disk

MASK = box_mask((24, 32), 8, 4, 24, 20)


@pytest.mark.parametrize(
    ("soft", "alpha"),
    [
        (0.0, 0.0),
        (0.2, 0.0),  # haze
        (0.5, 0.5),  # the edge of the mask
        (0.8, 1.0),
        (1.0, 1.0),
    ],
)
def test_soft_alpha(soft, alpha):
    assert soft_alpha(np.float32([[soft]]))[0, 0] == pytest.approx(alpha)


@pytest.mark.parametrize("background", [None, "white", "blur"])
def test_object_stays_as_it_was(background):
    result = segmentation([MASK])
    image = draw(Scene(result, soft=MASK[None].astype(np.float32), backdrop=make_backdrop(background)))
    assert (image.mode, image.size) == ("RGB" if background else "RGBA", (32, 24))
    np.testing.assert_array_equal(np.asarray(image)[MASK][:, :3], photo_of(result).pixels[MASK])


def test_transparency():
    soft = np.where(MASK, 1, 0.5).astype(np.float32)
    alpha = np.asarray(draw(Scene(segmentation([MASK]), soft=soft[None])))[..., 3]
    np.testing.assert_array_equal(alpha, np.where(MASK, 255, 128))


def test_colour_shows_through_half():
    soft = np.full((1, 24, 32), 0.5, np.float32)
    image = draw(Scene(segmentation([MASK]), soft=soft, backdrop=make_backdrop("#ff0000")))
    assert image.getpixel((0, 0)) == (172, 45, 45)  # half of 90 grey, half of red


def test_no_object_is_all_background():
    nothing = np.zeros((0, 24, 32), np.float32)
    assert draw(Scene(segmentation(), soft=nothing)).getextrema()[3] == (0, 0)
    assert draw(Scene(segmentation(), soft=nothing, backdrop=make_backdrop("red"))).getcolors() == [(768, (255, 0, 0))]


TALL = box_mask((24, 32), 8, 4, 14, 20)  # 6 x 16


@pytest.mark.parametrize(
    ("look", "size"),
    [
        ({}, (32, 24)),
        ({"crop": True}, (6, 16)),
        ({"crop": True, "margin": "2"}, (10, 20)),
        ({"crop": True, "margin": "25%"}, (14, 24)),  # of the long side
        ({"crop": True, "square": True}, (16, 16)),
        ({"square": True}, (32, 32)),
        ({"crop": True, "margin": "10"}, (26, 36)),  # beyond the photograph
    ],
)
def test_what_is_shown(look, size):
    image = draw(Scene(segmentation([TALL]), soft=TALL[None].astype(np.float32), look=CutoutOptions(**look)))
    assert image.size == size
    alpha = np.asarray(image)[..., 3]
    assert (alpha > 0).sum() == TALL.sum()
    rows, columns = (np.flatnonzero((alpha > 0).any(axis=axis)) for axis in (1, 0))
    if look.get("crop"):
        assert abs((rows[0] + rows[-1] + 1) - image.height) <= 1  # in the middle
        assert abs((columns[0] + columns[-1] + 1) - image.width) <= 1


def test_nothing_to_crop_to():
    nothing = np.zeros((0, 24, 32), np.float32)
    assert draw(Scene(segmentation(), soft=nothing, look=CutoutOptions(crop=True))).size == (32, 24)


@pytest.mark.parametrize("background", ["white", "blur"])
def test_a_backdrop_goes_on_beyond_the_photograph(background):
    look = CutoutOptions(background=background, square=True)
    soft = MASK[None].astype(np.float32)
    image = draw(Scene(segmentation([MASK]), soft=soft, backdrop=make_backdrop(background), look=look))
    assert (image.size, image.getpixel((0, 0))) == ((32, 32), (255,) * 3 if background == "white" else (90,) * 3)


@pytest.mark.parametrize(("kind", "mode"), [("png", "RGBA"), ("webp", "RGBA"), ("jpeg", "RGB")])
def test_image_formats(kind, mode, tmp_path):
    background = "white" if kind == "jpeg" else None
    with folder(tmp_path / "out", "cutouts", image_format=kind, background=background) as run:
        run.write(*disk(write_disk(tmp_path / "a.png"), "a.png"))
    path = tmp_path / "out" / "cutouts" / ("a.png" + SUFFIXES[kind])
    with PIL.Image.open(path) as image:
        assert (image.format, image.mode) == (kind.upper(), mode)
        assert not image.getexif()


def test_quality_makes_smaller_files():
    result = segmentation([MASK], content=PIL.Image.fromarray(disk_photo(24, 32)[0]))
    soft = MASK[None].astype(np.float32)
    good, bad = (
        encode(Scene(result, soft=soft, look=CutoutOptions(image_format="webp", quality=quality)))
        for quality in (95, 5)
    )
    assert len(bad) < len(good)


def test_cutouts_that_look_otherwise_are_refused(tmp_path):
    photo = disk(write_disk(tmp_path / "a.png"), "a.png")
    with folder(tmp_path / "out", "masks") as run:
        run.write(*photo)
    for _ in range(2):  # from the first cut-outs on
        with folder(tmp_path / "out", "masks", crop=True) as run:
            run.write(*photo)
    with pytest.raises(OutputConflict, match="crop: there true, now null"), folder(tmp_path / "out", "cutouts"):
        pass
    with folder(tmp_path / "plain", "cutouts"):
        pass
    with pytest.raises(OutputConflict, match="crop: there null, now true"), folder(tmp_path / "plain", crop=True):
        pass


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_profile_is_kept(kind, orientation, tmp_path):
    """Red of a profile whose red and green are swapped: as numbers it stays, on a background that looks white."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"?").replace(b"gXYZ", b"rXYZ").replace(b"?", b"gXYZ")
    pixels = np.full((24, 32, 3), (200, 40, 40), np.uint8)
    size = (24, 32) if orientation == 1 else (32, 24)
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=swapped, exif=exif_of(orientation))
    mask = box_mask(size, 4, 4, 20, 20)
    result = segmentation([mask], content=tmp_path / "a.png")
    look = CutoutOptions(background="white", keep_profile=True, image_format=kind, quality=100)
    soft, backdrop = mask[None].astype(np.float32), make_backdrop("white")
    with PIL.Image.open(io.BytesIO(encode(Scene(result, soft=soft, backdrop=backdrop, look=look)))) as image:
        assert image.info["icc_profile"] == swapped
        assert image.size == size[::-1]
        assert np.abs(np.asarray(image.convert("RGB")).astype(int)[12, 12] - (200, 40, 40)).max() < 5
        assert np.asarray(image.convert("RGB"))[0, 0].min() > 245
    plain = CutoutOptions(background="white", image_format=kind)
    with PIL.Image.open(io.BytesIO(encode(Scene(result, soft=soft, backdrop=backdrop, look=plain)))) as image:
        assert "icc_profile" not in image.info


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_no_profile_to_keep(mode, tmp_path):
    PIL.Image.new(mode, (32, 24)).save(tmp_path / "a.tif", icc_profile=b"damaged" if mode == "RGB" else None)
    result = segmentation([MASK], content=tmp_path / "a.tif")
    soft = MASK[None].astype(np.float32)
    kept, usual = (encode(Scene(result, soft=soft, look=CutoutOptions(keep_profile=keep))) for keep in (True, False))
    assert kept == usual
