"""The objects of one image as a container, and from masks that were made elsewhere."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dinoseg.errors import DatasetError, MaskError
from dinoseg.rle import encode_rle
from dinoseg.segmentation import Segmentation
from tests.helpers import disk_photo

SIZE = (12, 20)


def box(y0, y1, x0, x1):
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


SMALL, LARGE, SPOT = box(0, 4, 0, 5), box(2, 12, 6, 20), box(11, 12, 0, 1)


@pytest.fixture
def three():
    return Segmentation.from_masks([SMALL, LARGE, SPOT], [0.5, 0.9, 0.7], id="three")


def test_objects_are_counted_gone_through_and_taken_by_place(three):
    assert len(three) == 3
    assert [each.score for each in three] == three.scores == [0.9, 0.7, 0.5]
    assert three[0].area == LARGE.sum()
    assert three[-1].label == 1
    assert len(three[1:]) == 2
    assert three[[2, 0]].scores == [0.5, 0.9]
    assert three[np.array([True, False, True])].scores == [0.9, 0.5]
    with pytest.raises(IndexError):
        three[3]


def test_filter_keeps_the_sure_and_the_large(three):
    assert three.filter(score=0.6).scores == [0.9, 0.7]
    assert three.filter(area=0.05).scores == [0.9, 0.5]
    none = three.filter(score=0.6, area=0.9)
    assert len(none) == 0
    assert none.reason == "filtered"
    assert none.mask.shape == SIZE
    assert three.filter().reason is None


def test_held_soft_masks_follow_their_objects(three):
    soft = np.arange(3 * SIZE[0] * SIZE[1], dtype=np.float32).reshape(3, *SIZE)
    held = Segmentation(three.id, three.instances, None, three.fit, three.source, "none", soft_masks=soft)
    np.testing.assert_array_equal(held[[2, 0]].soft(), soft[[2, 0]])


def test_masks_come_back_as_they_were(three):
    np.testing.assert_array_equal(three.masks, [LARGE, SPOT, SMALL])
    np.testing.assert_array_equal(three.soft(), three.masks)
    assert three[0].box == (6, 2, 20, 12)


def test_a_label_map_gives_its_objects_by_number():
    numbers = np.zeros(SIZE, np.uint16)
    numbers[SMALL], numbers[LARGE] = 300, 7
    found = Segmentation.from_masks(numbers)
    assert [each.label for each in found] == [7, 300]
    np.testing.assert_array_equal(found.masks, [LARGE, SMALL])


def test_masks_are_drawn_on_their_photograph():
    photo, mask = disk_photo(40, 60)
    found = Segmentation.from_masks(mask[None], image=photo)
    cut = np.asarray(found.cutout())
    assert (cut[..., 3][mask] == 255).mean() > 0.9
    assert not cut[..., 3][~mask].all()
    assert found.overlay().size == (60, 40)


def test_without_an_object_the_size_is_told():
    found = Segmentation.from_masks([], size=SIZE)
    assert (len(found), found.reason, found.size) == (0, "no_object", SIZE)
    assert len(Segmentation.from_masks(np.zeros((2, *SIZE), bool))) == 0


@pytest.mark.parametrize(
    ("masks", "more"),
    [
        ([], {}),
        (np.zeros((2, *SIZE)), {}),  # soft masks are no masks
        (np.zeros((2, *SIZE), bool), {"scores": [1.0]}),
        (np.zeros((2, *SIZE), bool), {"size": (3, 3)}),
        ([np.zeros((2, 3), bool), np.zeros((3, 3), bool)], {}),
        (np.zeros(SIZE, bool), {}),  # of one object: [mask]
    ],
)
def test_what_is_no_mask_is_told(masks, more):
    with pytest.raises(MaskError):
        Segmentation.from_masks(masks, **more)


def test_coco_goes_there_and_back(three, tmp_path):
    (tmp_path / "coco.json").write_text(json.dumps(three.to_coco()))
    for dataset in (three.to_coco(), tmp_path / "coco.json"):
        again = Segmentation.from_coco(dataset)
        assert again.id == "three"
        np.testing.assert_array_equal(again.masks, three.masks)
        assert again.scores == three.scores


def coco(**annotation):
    images = [
        {"id": 7, "file_name": "a.jpg", "height": 12, "width": 20},
        {"id": 8, "file_name": "b.jpg", "height": 2, "width": 2},
    ]
    return {"images": images, "annotations": [{"image_id": 7, **annotation}]}


def test_polygons_and_plain_run_lengths_are_read():
    by_polygon = Segmentation.from_coco(coco(segmentation=[[0, 0, 5, 0, 5, 4, 0, 4]]), 7)
    np.testing.assert_array_equal(by_polygon.masks, [SMALL])
    plain = {"size": list(SIZE), "counts": [0, 4, 8, 4, 8, 4, 8, 4, 8, 4, 188]}
    by_counts = Segmentation.from_coco(coco(segmentation=plain), "a.jpg")
    np.testing.assert_array_equal(by_counts.masks, [SMALL])
    assert len(Segmentation.from_coco(coco(segmentation=plain), "b.jpg")) == 0


@pytest.mark.parametrize(
    ("dataset", "image"),
    [
        (coco(segmentation=encode_rle(SMALL)), None),  # which of two?
        (coco(segmentation=encode_rle(SMALL)), "c.jpg"),
        (coco(segmentation={"size": list(SIZE), "counts": [3]}), 7),
        (coco(segmentation=[[0, 0, 1e12, 0, 5, 4]]), 7),
        (coco(), 7),
        ({}, 7),
        ({"images": 3, "annotations": []}, 7),
        ("not-there.json", 7),
    ],
)
def test_a_broken_dataset_is_told(dataset, image):
    with pytest.raises(DatasetError):
        Segmentation.from_coco(dataset, image)
