import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from dinoseg.errors import TruncatedImage
from dinoseg.outputs.coco import coco_chunks, coco_dataset
from dinoseg.outputs.record import failure_record, record_of
from dinoseg.types import Failure
from tests.outputs.scenes import box_mask, segmentation

SIZE = (20, 30)
MASKS = [box_mask(SIZE, 3, 2, 17, 11), ~box_mask(SIZE, 0, 0, 29, 18)]


def loaded(path, dataset):
    path.write_text(json.dumps(dataset, allow_nan=False), encoding="utf-8")
    return COCO(str(path))


def test_pycocotools_reads_the_same_masks(tmp_path):
    coco = loaded(tmp_path / "coco.json", coco_dataset([segmentation(MASKS), segmentation(size=SIZE, id_="b.jpg")]))
    assert [(i["file_name"], i["height"], i["width"]) for i in coco.loadImgs([1, 2])] == [
        ("a.jpg", 20, 30),
        ("b.jpg", 20, 30),
    ]
    assert coco.getAnnIds(imgIds=2) == []
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=1))
    for annotation, mask, score in zip(annotations, MASKS, [0.9, 0.8], strict=True):
        np.testing.assert_array_equal(coco.annToMask(annotation), mask)
        assert annotation["area"] == mask.sum()
        assert annotation["score"] == score
    assert annotations[0]["bbox"] == [3, 2, 14, 9]  # x, y, width, height
    assert coco.loadCats(coco.getCatIds()) == [{"id": 1, "name": "object", "supercategory": "object"}]


def test_results_can_be_scored(tmp_path):
    dataset = coco_dataset([segmentation(MASKS)])
    results = loaded(tmp_path / "coco.json", dataset).loadRes(dataset["annotations"])
    assert len(results.anns) == 2


def test_d59_ids_follow_the_sorted_ids_of_images():
    one, two, three = (segmentation(MASKS[:1], id_=id_) for id_ in ("a.jpg", "b/a.jpg", "b/c.jpg"))
    dataset = coco_dataset([three, one, two])
    assert [(image["id"], image["file_name"]) for image in dataset["images"]] == [
        (1, "a.jpg"),
        (2, "b/a.jpg"),
        (3, "b/c.jpg"),
    ]
    assert dataset == coco_dataset([one, two, three])


def test_d59_merged_shards_have_no_clash():
    shards = [record_of(segmentation(MASKS, id_=f"{shard}.jpg")) for shard in range(3)]
    dataset = json.loads(b"".join(coco_chunks(shards)))
    for entries, count in (("images", 3), ("annotations", 6)):
        assert [entry["id"] for entry in dataset[entries]] == list(range(1, count + 1))
    assert [annotation["image_id"] for annotation in dataset["annotations"]] == [1, 1, 2, 2, 3, 3]


def test_failed_images_are_left_out():
    failed = failure_record(Failure("a.jpg", TruncatedImage("a.jpg ends early")), "run")
    dataset = json.loads(b"".join(coco_chunks([failed, record_of(segmentation(MASKS, id_="b.jpg"))])))
    assert [(image["id"], image["file_name"]) for image in dataset["images"]] == [(1, "b.jpg")]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_d60_streamed_json_is_whole(count):
    records = [record_of(segmentation(MASKS, id_=f"{index}.jpg")) for index in range(count)]
    chunks = list(coco_chunks(records))
    dataset = json.loads(b"".join(chunks))
    assert dataset.keys() == {"info", "licenses", "categories", "images", "annotations"}
    assert len(dataset["annotations"]) == 2 * count
    assert len(chunks) >= 3 * count  # an entry at a time, never the whole text
