import numpy as np
import pytest

from dinoseg.outputs.backdrop import make_backdrop
from dinoseg.outputs.cutouts import draw, soft_alpha
from dinoseg.outputs.format import Scene
from tests.outputs.scenes import box_mask, photo_of, segmentation

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
