import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dinoseg.outputs.format import Scene, png_bytes
from dinoseg.types import Photo
from tests.helpers import gradient
from tests.outputs.scenes import box_mask, photo_of, segmentation

SIZE = (5, 7)


@given(arrays(bool, (3, *SIZE)), st.lists(st.sampled_from([0.2, 0.5, 0.5, 0.9]), min_size=3, max_size=3))
def test_labels_higher_score_wins(masks, scores):
    labels = Scene(segmentation(list(masks), scores)).labels
    for y, x in np.ndindex(SIZE):
        here = [(-scores[k], k + 1) for k in range(3) if masks[k, y, x]]
        assert labels[y, x] == (min(here)[1] if here else 0)  # of equal scores the first label


def test_labels_without_objects():
    assert not Scene(segmentation(size=SIZE)).labels.any()


def test_soft_is_the_highest_of_all_objects():
    soft = np.array([[[0.1, 0.8]], [[0.4, 0.3]]], np.float32)
    scene = Scene(segmentation([box_mask((1, 2), 0, 0, 1, 1)] * 2), soft=soft)
    np.testing.assert_array_equal(scene.soft, np.float32([[0.4, 0.8]]))


def test_soft_of_no_object_is_zero():
    scene = Scene(segmentation(size=SIZE), soft=np.zeros((0, *SIZE), np.float32))
    np.testing.assert_array_equal(scene.soft, np.zeros(SIZE))


def test_pixels_of_a_photo_at_reduced_scale_come_back_to_the_size_of_the_original():
    result = segmentation(size=(48, 64))
    scene = Scene(result, Photo("a.jpg", gradient(24, 32), (48, 64)))
    assert scene.pixels.shape == (48, 64, 3)
    np.testing.assert_allclose(scene.pixels.astype(int), gradient(48, 64), atol=6)


def test_photo_and_soft_masks_are_made_once_and_only_when_asked_for(monkeypatch):
    result, calls = segmentation([box_mask((24, 32), 4, 4, 20, 20)]), []
    monkeypatch.setattr(type(result), "photo", lambda self: calls.append("photo") or photo_of(self))
    monkeypatch.setattr(type(result), "soft", lambda self: calls.append("soft") or self.masks.astype(np.float32))
    scene = Scene(result)
    assert scene.labels.any()
    assert calls == []
    for _ in range(2):
        assert scene.pixels.shape == (24, 32, 3)
        assert scene.soft.shape == (24, 32)
    assert calls == ["photo", "soft"]


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA"])
def test_png_is_lossless(tmp_path, mode):
    image = PIL.Image.fromarray(gradient(17, 23)).convert(mode)
    (tmp_path / "a.png").write_bytes(png_bytes(image))
    with PIL.Image.open(tmp_path / "a.png") as back:
        assert (back.mode, back.size) == (mode, (23, 17))
        assert back.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()
