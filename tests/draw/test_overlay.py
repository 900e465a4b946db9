import numpy as np
import pytest

from dinoseg.draw.colours import object_colours
from dinoseg.draw.overlay import DIM, FILL, LIGHT, outline, overlay
from tests.helpers import gradient


def labels_of(size, *boxes):
    labels = np.zeros(size, np.uint16)
    for label, (x0, y0, x1, y1) in enumerate(boxes, 1):
        labels[y0:y1, x0:x1] = label
    return labels


def test_filling_outline_and_background():
    photo = gradient(40, 60)
    labels = labels_of(photo.shape[:2], (10, 10, 30, 30), (35, 5, 55, 35))
    drawn = overlay(photo, labels)
    assert drawn.shape == photo.shape
    assert drawn.dtype == np.uint8
    colours = object_colours(2).astype(float)
    for edge, colour in zip(((10, 20), (20, 35)), colours, strict=True):
        np.testing.assert_allclose(drawn[edge], (1 - LIGHT) * colour + LIGHT * 255, atol=0.51)
    assert not drawn[9, 20].any()  # a dark line around it
    assert not drawn[20, 34].any()
    np.testing.assert_allclose(drawn[20, 20], (1 - FILL) * photo[20, 20] + FILL * colours[0], atol=0.51)
    np.testing.assert_allclose(drawn[20, 45], (1 - FILL) * photo[20, 45] + FILL * colours[1], atol=0.51)
    np.testing.assert_allclose(drawn[0, 0], DIM * photo[0, 0], atol=0.51)


@pytest.mark.parametrize("share", [0, 0.5, 1])
@pytest.mark.parametrize("label", [1, 2, 3])
def test_an_outline_is_seen_on_a_picture_of_any_colour(label, share):
    """Of the object's own colour, and of white and black: lines and what lies beside them differ in brightness."""
    for colour in (*object_colours(3), (255, 255, 255), (0, 0, 0)):
        photo = np.full((40, 60, 3), np.uint8(share * np.array(colour)))
        drawn = overlay(photo, label * labels_of((40, 60), (10, 10, 30, 30))).astype(float).sum(axis=2)
        fill, light, dark, ground = drawn[20, 20], drawn[10, 20], drawn[9, 20], drawn[0, 0]
        assert light - dark > 250
        assert max(abs(fill - light), abs(dark - ground)) > 100


def test_without_objects_the_photograph_is_copied():
    photo = gradient()
    drawn = overlay(photo, np.zeros(photo.shape[:2], np.uint16))
    np.testing.assert_array_equal(drawn, photo)
    assert not np.shares_memory(drawn, photo)


def test_the_photograph_is_left_alone():
    photo = gradient()
    overlay(photo, labels_of(photo.shape[:2], (5, 5, 20, 20)))
    np.testing.assert_array_equal(photo, gradient())


@pytest.mark.parametrize(
    ("boxes", "inside", "edge"),
    [
        ([(2, 2, 7, 7)], (4, 4), (2, 4)),
        ([(0, 0, 5, 10), (5, 0, 10, 10)], (5, 2), (5, 4)),  # two objects side by side
    ],
)
def test_outline(boxes, inside, edge):
    labels = labels_of((10, 10), *boxes)
    found = outline(labels)
    assert not found[inside]
    assert not found[labels == 0].any()
    assert found[edge]


def test_the_frame_is_no_edge():
    assert not outline(np.ones((10, 10), np.uint16)).any()


def test_outline_grows_with_the_picture():
    for scale, thickness in ((1, 1), (4, 4)):
        found = outline(np.kron(labels_of((100, 400), (100, 20, 300, 80)), np.ones((scale, scale), np.uint16)))
        assert found[50 * scale, : 200 * scale].sum() == thickness


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1)])
def test_slim_photographs(size):
    assert overlay(np.zeros((*size, 3), np.uint8), np.ones(size, np.uint16)).shape == (*size, 3)


def test_many_objects():
    labels = np.arange(600, dtype=np.uint16).reshape(20, 30)
    assert overlay(np.zeros((20, 30, 3), np.uint8), labels).any(axis=2).sum() == 599  # all but the background's one
