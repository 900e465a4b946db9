import numpy as np
import PIL.Image
import pytest

from dinoseg.errors import ImageVanished, OptionError
from dinoseg.options import CutoutOptions
from dinoseg.outputs.render import png_bytes, render_image, save
from dinoseg.types import Photo
from tests.helpers import gradient
from tests.outputs.scenes import ALL, box_mask, folder, segmentation, write_disk
from tests.outputs.scenes import disk as disk_on

MASK = box_mask((24, 32), 8, 4, 24, 20)


@pytest.mark.parametrize(("format_", "mode"), [("masks", "L"), ("labels", "P"), ("overlays", "RGB")])
def test_pictures(format_, mode):
    image = render_image(format_, segmentation([MASK]))
    assert (image.mode, image.size) == (mode, (32, 24))


def test_what_is_handed_in_is_used():
    photo = Photo("a.jpg", gradient(24, 32), (24, 32))
    soft = MASK[None].astype(np.float32)
    image = render_image(
        "cutouts", segmentation([MASK]), photo=photo, soft=soft, look=CutoutOptions(background="white")
    )
    np.testing.assert_array_equal(np.asarray(image), np.where(MASK[..., None], photo.pixels, 255))


@pytest.mark.parametrize("format_", ["attention", "coco", "contact-sheet"])
def test_formats_that_are_no_picture(format_):
    with pytest.raises(OptionError, match="not a picture"):
        render_image(format_, segmentation([MASK]))


def test_a_photograph_that_is_gone_is_a_typed_error(tmp_path):
    with pytest.raises(ImageVanished):
        render_image("overlays", segmentation([MASK], content=tmp_path / "gone.jpg"))


def test_save_writes_what_a_folder_run_writes(tmp_path, monkeypatch):
    result, photo, soft = disk_on(write_disk(tmp_path / "a.png"), "sub/a.png")
    monkeypatch.setattr(type(result), "soft", lambda self: soft)
    with folder(tmp_path / "run") as run:
        run.write(result, photo, soft)
        run.finish()
    paths = save(result, tmp_path / "saved", ALL)
    assert sorted(path.relative_to(tmp_path / "saved").as_posix() for path in paths) == [
        "attention/sub/a.png.npz",
        "coco.json",
        "contact_sheet.png",
        "cutouts/sub/a.png.png",
        "labels/sub/a.png.png",
        "masks/sub/a.png.png",
        "overlays/sub/a.png.png",
    ]
    for path in paths:
        assert path.read_bytes() == (tmp_path / "run" / path.relative_to(tmp_path / "saved")).read_bytes()


def test_save_twice_replaces(tmp_path):
    for masks in ([], [MASK]):
        (path,) = save(segmentation(masks), tmp_path / "new", ("masks",))
    with PIL.Image.open(path) as image:
        assert np.asarray(image).any()


def test_save_without_attention_writes_the_rest(tmp_path):
    paths = save(segmentation([MASK], attention=False), tmp_path, ("masks", "attention"))
    assert [path.name for path in paths] == ["a.jpg.png"]


def test_save_refuses_unknown_formats_before_it_writes(tmp_path):
    with pytest.raises(OptionError, match="Did you mean masks"):
        save(segmentation([MASK]), tmp_path / "new", ("labels", "mask"))
    assert not (tmp_path / "new").exists()


def test_h117_no_metadata_in_pictures(tmp_path):
    """GPS and author in, nothing out."""
    image = PIL.Image.fromarray(gradient(24, 32))
    exif = PIL.Image.Exif()
    exif[0x013B] = "somebody"
    exif.get_ifd(0x8825)[1] = "N"
    image.save(tmp_path / "a.jpg", exif=exif, comment=b"secret")
    result = segmentation([MASK], content=tmp_path / "a.jpg")
    for path in save(result, tmp_path / "out", ("masks", "labels", "overlays", "contact-sheet")):
        with PIL.Image.open(path) as written:
            written.load()
            assert not written.getexif()
            assert set(written.info) <= {"srgb"}
        assert b"somebody" not in path.read_bytes()


def test_methods_of_segmentation_go_the_same_way(tmp_path):
    result = segmentation([MASK], content=PIL.Image.fromarray(gradient(24, 32)))
    assert result.overlay() == render_image("overlays", result)
    assert result._repr_png_() == png_bytes(result.overlay())
    assert [path.parent.name for path in result.save(tmp_path)] == ["masks", "overlays"]
    assert len(result.to_coco()["annotations"]) == 1
