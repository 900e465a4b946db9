import numpy as np

from dinoseg.outputs.format import Scene
from dinoseg.outputs.masks import draw
from tests.outputs.scenes import box_mask, segmentation


def test_union_of_all_objects_is_255():
    masks = [box_mask((10, 14), 0, 0, 6, 6), box_mask((10, 14), 4, 4, 14, 8)]
    image = draw(Scene(segmentation(masks)))
    assert (image.mode, image.size) == ("L", (14, 10))
    np.testing.assert_array_equal(np.asarray(image), 255 * (masks[0] | masks[1]))


def test_more_objects_than_a_byte_counts():
    masks = [box_mask((2, 300), x, 0, x + 1, 2) for x in range(300)]
    assert np.asarray(draw(Scene(segmentation(masks, [0.5] * 300)))).min() == 255


def test_a18_no_object_is_an_empty_mask_of_full_size():
    np.testing.assert_array_equal(np.asarray(draw(Scene(segmentation(size=(10, 14))))), np.zeros((10, 14)))
