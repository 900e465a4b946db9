import numpy as np

from dinoseg.draw.colours import voc_palette
from dinoseg.outputs.format import Scene
from dinoseg.outputs.labels import draw
from tests.outputs.scenes import box_mask, segmentation


def test_label_k_is_object_k():
    masks = [box_mask((10, 14), 0, 0, 6, 6), box_mask((10, 14), 4, 4, 14, 8)]
    image = draw(Scene(segmentation(masks)))
    labels = np.asarray(image)
    assert (image.mode, image.size) == ("P", (14, 10))
    np.testing.assert_array_equal(labels == 1, masks[0])
    np.testing.assert_array_equal(labels == 2, masks[1] & ~masks[0])
    assert image.getpalette() == voc_palette().ravel().tolist()


def test_void_is_never_an_object():
    masks = [box_mask((1, 300), x, 0, x + 1, 1) for x in range(300)]
    labels = np.asarray(draw(Scene(segmentation(masks, [0.5] * 300))))[0]
    np.testing.assert_array_equal(labels, [*range(1, 255), *[0] * 46])
