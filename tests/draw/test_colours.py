import cv2
import numpy as np

from dinoseg.draw.colours import map_to_rgb, object_colours, voc_palette
from tests.helpers import GOLDEN


def test_voc_palette():
    """The first colours of the data set's own pictures: background, aeroplane, bicycle, ..., and void."""
    palette = voc_palette()
    assert palette.shape == (256, 3)
    assert palette[[0, 1, 2, 3, 8, 15, 20, 255]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [64, 0, 0],
        [192, 128, 128],
        [0, 64, 128],
        [224, 224, 192],
    ]
    assert len(np.unique(palette, axis=0)) == 256


def test_voc_palette_golden():
    golden = np.load(GOLDEN / "evaluation.npz")["palette_first32"]
    np.testing.assert_array_equal(voc_palette()[:32], golden)


def test_object_colours_are_distinct_and_do_not_depend_on_their_number():
    colours = object_colours(10)
    np.testing.assert_array_equal(object_colours(3), colours[:3])
    lab = cv2.cvtColor(colours[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]  # (10, 3)
    distances = np.linalg.norm(lab[:, None] - lab, axis=-1) + 1000 * np.eye(10)
    assert distances.min() > 20  # 2.3 can just be told apart
    assert distances[0, 1:4].min() > 80


def test_no_objects_no_colours():
    assert object_colours(0).shape == (0, 3)


def test_map_to_rgb_grows_brighter_and_clips():
    rgb = map_to_rgb(np.array([[-1, 0, 0.5, 1, 2]], np.float32))
    assert rgb.shape == (1, 5, 3)
    assert rgb.dtype == np.uint8
    light = rgb[0].astype(int).sum(axis=1)
    assert light[0] == light[1] < light[2] < light[3] == light[4]
    assert rgb[0, 2, 0] > rgb[0, 2, 2]  # inferno's middle is red: the channels are not swapped
