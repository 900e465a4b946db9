import numpy as np

from dinoseg.draw.components import GAP, LONGEST, components_picture
from dinoseg.types import Fit


def test_the_photograph_and_its_object_in_colours():
    fit = Fit((60, 100), (60, 100), (6, 10), 10)
    objects = np.zeros((6, 10), np.float32)
    objects[:, 5:] = 1
    colours = np.zeros((6, 10, 3))
    colours[:, 5:] = [1, 0.5, 0]
    colours[:, :5] = 1  # of the background, which must not bleed in
    page = np.asarray(components_picture(np.full((60, 100, 3), 200, np.uint8), colours, objects, fit))
    assert page.shape == (60, 200 + GAP, 3)
    assert (page[:, :100] == 200).all()
    drawn = page[:, 100 + GAP :]
    assert (drawn[:, :50] == 0).all()
    assert (drawn[:, 51:] == [255, 128, 0]).all()


def test_a_large_photograph_is_drawn_small():
    fit = Fit((3000, 1500), (320, 160), (32, 16), 10)
    nothing = np.zeros((32, 16), np.float32)
    page = components_picture(np.zeros((3000, 1500, 3), np.uint8), np.ones((32, 16, 3)), nothing, fit)
    assert page.size == (LONGEST + GAP, LONGEST)
    assert not np.asarray(page)[:, LONGEST // 2 + GAP :].any()
