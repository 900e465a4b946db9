import numpy as np
import pytest

from dinoseg.draw.colours import object_colours
from dinoseg.draw.overlay import LIGHT
from dinoseg.outputs import overlays
from dinoseg.outputs.format import Scene
from tests.outputs.scenes import box_mask, photo_of, segmentation


def test_keeps_the_size_and_marks_the_object():
    result = segmentation([box_mask((24, 32), 8, 8, 24, 16)])
    image = overlays.draw(Scene(result))
    pixels, photo = np.asarray(image), photo_of(result).pixels
    assert (image.mode, image.size) == ("RGB", (32, 24))
    np.testing.assert_allclose(pixels[8, 8], (1 - LIGHT) * object_colours(1)[0] + LIGHT * 255, atol=0.51)  # outline
    assert (pixels[0, 0] < photo[0, 0]).all()  # the background is dimmed


def test_no_object_leaves_the_photograph():
    result = segmentation()
    np.testing.assert_array_equal(np.asarray(overlays.draw(Scene(result))), photo_of(result).pixels)


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        ((40, 64), (40, 64)),  # as large as is drawn
        ((80, 128), (40, 64)),
        ((128, 80), (64, 40)),
        ((1, 1000), (1, 64)),  # no side falls to nothing
    ],
)
def test_large_photographs_are_reduced(monkeypatch, size, drawn):
    monkeypatch.setattr(overlays, "LONG_SIDE", 64)
    image = overlays.draw(Scene(segmentation([np.ones(size, bool)])))
    assert image.size == drawn[::-1]
