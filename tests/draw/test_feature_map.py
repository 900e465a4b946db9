"""The map shows every picture, and no thumbnail covers another."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from dinoseg.draw.colours import object_colours
from dinoseg.draw.feature_map import FRAME, SIDE, THUMBNAIL, apart, feature_map, on_page


def test_thumbnails_lie_apart_and_the_first_come_first() -> None:
    places = np.array([[100, 100], [110, 100], [100, 100 + THUMBNAIL + FRAME], [900, 900]])
    assert apart(places, [True, True, True, True]) == [0, 2, 3]
    assert apart(places, [False, True, True, False]) == [1, 2]


@pytest.mark.parametrize("points", [np.zeros((3, 2)), np.array([[0.0, 0], [1e6, 1], [5, -1e6]])])
def test_points_lie_on_the_page(points: np.ndarray) -> None:
    places = on_page(points)
    assert (places > 0).all()
    assert (places < SIDE).all()


@pytest.mark.parametrize("classes", [2, 10, 100, 200])
def test_every_class_is_seen(classes: int) -> None:
    points = np.random.default_rng(0).normal(size=(2 * classes, 2))
    labels = np.arange(2 * classes) % classes
    names = [f"a_very_long_name_of_a_class_{number}" for number in range(classes)]
    pictures = [PIL.Image.new("RGB", (40, 60), "black"), *[None] * (2 * classes - 1)]
    page = np.asarray(feature_map(points, labels, names, pictures, "heading"))
    legend = {tuple(colour) for colour in page[:, SIDE + 5 :: 230].reshape(-1, 3)}
    assert {tuple(colour) for colour in object_colours(classes)} <= legend
    assert (page == 0).all(axis=2).sum() >= THUMBNAIL**2 // 8  # the black picture, where no name lies on it
