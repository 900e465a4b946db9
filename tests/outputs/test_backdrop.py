import hashlib

import numpy as np
import PIL.Image
import pytest

from dinoseg.errors import OptionError
from dinoseg.options import CutoutOptions
from dinoseg.outputs.backdrop import describe_cutouts, make_backdrop
from tests.helpers import gradient

PIXELS = gradient(40, 60)
NOTHING = np.zeros((40, 60), np.float32)


@pytest.mark.parametrize(
    ("background", "colour"),
    [
        ("white", (255, 255, 255)),
        ("#20a0ff", (32, 160, 255)),
        ("#2af", (34, 170, 255)),
        ("#20a0ff80", (32, 160, 255)),  # its own alpha is of no use here
        ("hsl(0, 100%, 50%)", (255, 0, 0)),
    ],
)
def test_colours(background, colour):
    behind = make_backdrop(background)(PIXELS, NOTHING)
    assert behind.shape == PIXELS.shape
    assert (behind == colour).all()


@pytest.mark.parametrize(
    ("size", "left", "right"),
    [
        ((20, 30), 0, 255),  # the same shape
        ((20, 60), 64, 191),  # too wide: the middle half of its width is kept
        ((60, 30), 0, 255),  # too high
    ],
)
def test_image_covers_the_frame(tmp_path, size, left, right):
    PIL.Image.fromarray(gradient(*size)).save(tmp_path / "sea.png")
    behind = make_backdrop(str(tmp_path / "sea.png"))(PIXELS, NOTHING)
    assert behind.shape == PIXELS.shape
    assert behind[20, 0, 0] == pytest.approx(left, abs=6)
    assert behind[20, -1, 0] == pytest.approx(right, abs=6)


def test_blur_keeps_objects_out_of_the_background():
    photo = np.full((200, 300, 3), 40, np.uint8)
    photo[50:150, 100:200] = (255, 0, 0)
    alpha = (photo[..., 0] == 255).astype(np.float32)
    behind = make_backdrop("blur")(photo, alpha)
    assert behind.shape == photo.shape
    assert np.abs(behind[alpha == 0].astype(int) - 40).max() <= 8  # a plain blur has 60 at the edge


def test_blur_blurs():
    stripes = np.zeros((200, 300, 3), np.uint8)
    stripes[:, ::2] = 255
    assert make_backdrop("blur")(stripes, np.zeros((200, 300), np.float32)).std() < 5


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1)])
def test_blur_of_slim_photographs(shape):
    assert make_backdrop("blur")(np.zeros((*shape, 3), np.uint8), np.ones(shape, np.float32)).shape == (*shape, 3)


def test_none_is_transparent():
    assert make_backdrop(None) is None


def test_unknown_background_names_what_there_is():
    with pytest.raises(OptionError, match="'whyte' is no colour, no image file and not 'blur'"):
        make_backdrop("whyte")


def test_background_file_must_be_an_image(tmp_path):
    (tmp_path / "notes.png").write_text("no image")
    with pytest.raises(OptionError, match=r"--background .*notes\.png: is text"):
        make_backdrop(str(tmp_path / "notes.png"))


def test_description_follows_the_content_of_a_file(tmp_path):
    path = tmp_path / "sea.png"
    path.write_bytes(b"water")
    name = str(path)
    facts = {"background": name, "background_sha256": hashlib.sha256(b"water").hexdigest()}
    assert describe_cutouts(CutoutOptions(background=name)) == facts


@pytest.mark.parametrize("background", [None, "blur", "red"])
def test_description_without_a_file(background):
    assert describe_cutouts(CutoutOptions(background=background)) == {"background": background}


def test_description_of_how_cutouts_look():
    look = CutoutOptions(background="red", crop=True, margin="5%", image_format="jpeg")
    assert describe_cutouts(look) == {"background": "red", "crop": True, "margin": "5%", "image_format": "jpeg"}
