"""COCO's json: checked before it is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dinoseg.errors import DatasetError
from dinoseg.evaluation import evaluate
from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.predictions.files import CocoPredictions, open_predictions
from dinoseg.rle import decode_segmentation, encode_rle
from tests.evaluation.sets import SIZE, polygon, square, write_coco, write_mask

RUNS = {"size": list(SIZE), "counts": [20, 30, SIZE[0] * SIZE[1] - 50]}  # first column, rows 20..49


def test_foreground_is_the_union_and_crowds_are_no_objects(tmp_path: Path) -> None:
    crowd = {"id": 9, "image_id": 0, "category_id": 2, "segmentation": RUNS, "iscrowd": 1}
    write_coco(tmp_path, [polygon(0, 1, 20, 30, 40), polygon(0, 1, 60, 70, 20), crowd])
    samples = open_dataset(tmp_path).samples
    truth = samples[0].truth()
    column = np.zeros(SIZE, bool)
    column[20:50, 0] = True
    one, other = square(20, 30, 40), square(60, 70, 20)
    np.testing.assert_array_equal(truth.foreground, one | other | column)
    np.testing.assert_array_equal(truth.objects(), [one, other])
    assert truth.classes == ("cat", "dog")
    assert not samples[1].truth().foreground.any()  # a picture without annotations is scored all the same
    assert samples[1].truth().objects() == []


@given(arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_run_lengths_as_text_are_read(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_segmentation(encode_rle(mask), mask.shape), mask)


def test_the_json_may_lie_beside_its_pictures(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [])
    beside = path.rename(tmp_path / "val2017" / "mine.json")
    assert [sample.missing for sample in open_dataset(beside).samples] == [None] * 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_json_of_another_system_is_read(tmp_path: Path, encoding: str) -> None:
    """A byte order mark, backslashes, and accents composed where the file's are apart."""
    path = write_coco(tmp_path, [polygon(0, 1, 20, 30, 40)], n=2)
    (tmp_path / "val2017" / "sub").mkdir()
    for number, name in enumerate([normalize("NFD", "é.jpg"), "sub/b.jpg"]):
        (tmp_path / "val2017" / f"photo_00{number}.jpg").rename(tmp_path / "val2017" / name)
    content = json.loads(path.read_text())
    for picture, name in zip(content["images"], [normalize("NFC", "é.jpg"), "sub\\b.jpg"], strict=True):
        picture["file_name"] = name
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    samples = open_dataset(tmp_path).samples
    assert [(sample.id, sample.missing) for sample in samples] == [
        (normalize("NFD", "é.jpg"), None),
        ("sub/b.jpg", None),
    ]
    found = CocoPredictions(path)
    assert all(found(sample) is not None for sample in samples)
    (tmp_path / "masks" / "sub").mkdir(parents=True)
    write_mask(tmp_path / "masks" / f"{normalize('NFC', 'é')}.png", 255 * square())
    write_mask(tmp_path / "masks" / "sub" / "b.jpg.png", 255 * square())
    assert all(open_predictions(tmp_path / "masks")(sample) is not None for sample in samples)


def test_two_spellings_of_one_picture_would_count_twice(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [], n=2)
    content = json.loads(path.read_text())
    content["images"][1]["file_name"] = " photo_000.jpg"
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"2 pictures with the file_name 'photo_000\.jpg'"):
        open_dataset(tmp_path)


def test_of_several_instances_files_val_is_taken(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [])
    other = path.with_name("instances_train2017.json")
    other.write_text("{}")
    assert open_dataset(tmp_path).name == "instances_val2017"
    path.unlink()
    (path.parent / "instances_minitrain.json").write_text("{}")
    with pytest.raises(DatasetError, match="several instances files: name the one"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"images": [', "cannot be read as json"),  # half a download
        ("[]", "has no list 'images'"),
        ('{"images": []}', "has no list 'annotations'"),
        ('{"images": [{"id": 1}], "annotations": []}', r"images\[0\] has no file_name"),
        ('{"images": [], "annotations": [7]}', r"annotations\[0\] is 7, no object"),
        ('{"images": {}, "annotations": []}', "has no list 'images'"),
        ('{"images": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    ],
)
def test_g102_a_broken_file_is_explained(tmp_path: Path, content: str, told: str) -> None:
    path = write_coco(tmp_path, [])
    path.write_text(content)
    with pytest.raises(DatasetError, match=told):
        open_dataset(tmp_path)


@pytest.mark.parametrize(("key", "told"), [("id", "2 pictures with the id 0"), ("file_name", "'photo_000.jpg'")])
def test_g101_a_picture_that_is_listed_twice_would_count_twice(tmp_path: Path, key: str, told: str) -> None:
    path = write_coco(tmp_path, [])
    content = json.loads(path.read_text())
    content["images"][1][key] = content["images"][0][key]
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=told):
        open_dataset(path)


@pytest.mark.parametrize(
    "segmentation",
    [
        [],  # no polygon, no box
        None,
        "gibberish",
        [["x", "y"] * 3],
        [[1, 2, 3, 4]],  # two corners
        [[1, 2, 3, 4, 5]],  # no pairs
        [[1, 2, 3, 4, 5, 1e30]],  # an edge of more pixels than there is memory
        [[1, 2, 3, 4, 5, float("nan")]],
        {"counts": [SIZE[0] * SIZE[1]]},
        {"size": [5, 5], "counts": [25]},  # of another size than its picture
        {"size": list(SIZE), "counts": [5]},
        {"size": list(SIZE), "counts": [-5, SIZE[0] * SIZE[1] + 5]},
        {"size": list(SIZE), "counts": "zzzz"},
        {"size": list(SIZE), "counts": "o" * 10_000_000},  # one run of 50 million bits
        [[0, 0, 2 * SIZE[1], 2 * SIZE[0]] * 100_000],  # its edge needs gigabytes
    ],
)
def test_g102_a_broken_segmentation_is_named(tmp_path: Path, segmentation: Any) -> None:
    annotation = {"id": 4711, "image_id": 0, "category_id": 1, "segmentation": segmentation}
    dataset = open_dataset(write_coco(tmp_path, [annotation]))
    with pytest.raises(DatasetError, match=r"annotation 4711 of photo_000\.jpg"):
        dataset.samples[0].truth()


def test_g102_huge_ids_and_unknown_categories_are_fine(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [])
    content = json.loads(path.read_text())
    content["images"][0]["id"] = 2**70
    content["annotations"] = [polygon(2**70, 99, 20, 30, 40)]
    path.write_text(json.dumps(content))
    truth = open_dataset(path).samples[0].truth()
    assert (truth.foreground.any(), truth.classes) == (True, ())


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd"])
def test_h106_a_file_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    path = write_coco(tmp_path, [])
    content = json.loads(path.read_text())
    content["images"][1]["file_name"] = name
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="leaves"):
        open_dataset(path)


def test_a_json_without_its_pictures_says_where_it_looked(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [])
    (tmp_path / "val2017").rename(tmp_path / "elsewhere")
    with pytest.raises(
        DatasetError, match=r"lists 3 pictures, none of which is there .*They are in val2017\.zip \(cocod"
    ):
        open_dataset(path)


def test_boxes_are_the_annotated_ones_without_crowds(tmp_path: Path) -> None:
    crowd = {"size": list(SIZE), "counts": [0, SIZE[0] * SIZE[1]]}
    annotations = [
        polygon(0, 1, 10, 20, 30, bbox=[20.5, 10, 29, 30.25]),
        polygon(0, 1, 40, 50, 20),  # no bbox: around the mask
        {"image_id": 0, "category_id": 1, "segmentation": crowd, "iscrowd": 1, "bbox": [0, 0, 128, 96]},
    ]
    truth = open_dataset(write_coco(tmp_path, annotations)).samples[0].truth()
    assert truth.object_boxes().tolist() == [[20.5, 10, 49.5, 40.25], [50, 40, 70, 60]]
    assert [mask.all() for mask in truth.crowds()] == [True]
    assert len(truth.objects()) == 2


@pytest.mark.parametrize(
    "box",
    [[1, 2, 3], None, ["a", 0, 1, 1], 5, [1, 2, -3, 4], [1, 2, float("nan"), 4], [1, 2, 1e9, 4], [0, 0, 2**2000, 1]],
)
def test_a_broken_box_is_named(tmp_path: Path, box: object) -> None:
    truth = open_dataset(write_coco(tmp_path, [polygon(0, 1, 10, 20, 30, bbox=box)])).samples[0].truth()
    with pytest.raises(DatasetError, match=r"annotation 7 of photo_000\.jpg has the bbox"):
        truth.object_boxes()


def test_coco20k_is_a_list_of_train2014(tmp_path: Path) -> None:
    path = write_coco(
        tmp_path / "COCO", [polygon(1, 1, 10, 20, 30, bbox=[20, 10, 30, 30]), polygon(1, 1, 0, 0, 9, iscrowd=1)]
    )
    path = path.rename(path.with_name("instances_train2014.json"))
    (tmp_path / "COCO" / "images").mkdir()
    (tmp_path / "COCO" / "val2017").rename(tmp_path / "COCO" / "images" / "train2014")
    (tmp_path / "20k.txt").write_text("train2014/photo_001.jpg\n")
    (sample,) = open_dataset(path, str(tmp_path / "20k.txt")).samples
    assert (sample.id, sample.missing) == ("photo_001.jpg", None)
    assert sample.truth().object_boxes().tolist() == [[20, 10, 50, 40]]  # the crowd has none


def edited(path: Path, part: str, index: int, **values: Any) -> Path:
    """The json with other values in one entry; one that is ``...`` is taken out."""
    content = json.loads(path.read_text())
    entry = content[part][index]
    entry.update(values)
    content[part][index] = {key: value for key, value in entry.items() if value is not ...}
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("part", "values", "told"),
    [
        ("annotations", {"image_id": 77}, r"1 of 2 objects .*\(image_id 77\); its 3 pictures have the ids 0, 1, 2"),
        ("annotations", {"image_id": "1"}, "image_id '1'.* Number and text are not the same id"),
        ("annotations", {"image_id": None}, r"annotations\[1\] has the image_id None: an id is"),
        ("annotations", {"image_id": [1]}, r"annotations\[1\] has the image_id \[1\]"),
        ("annotations", {"image_id": ...}, r"annotations\[1\] has no image_id"),
        ("images", {"id": [2]}, r"images\[1\] has the id \[2\]"),
        ("images", {"id": None}, r"images\[1\] has the id None"),
        ("images", {"id": True}, r"images\[1\] has the id True"),
        ("images", {"id": 1.5}, r"images\[1\] has the id 1\.5"),
        ("categories", {"name": None}, r"categories\[1\] has the name None"),
        ("categories", {"id": {}}, r"categories\[1\] has the id \{\}"),
    ],
)
def test_a_file_that_does_not_say_what_is_whose_is_refused(
    tmp_path: Path, part: str, values: dict[str, Any], told: str
) -> None:
    path = write_coco(tmp_path, [polygon(0, 1, 20, 30, 40), polygon(1, 1, 20, 30, 40)])
    with pytest.raises(DatasetError, match=told):
        open_dataset(edited(path, part, 1, **values))


@pytest.mark.parametrize(
    "values",
    [
        {"file_name": None},
        {"file_name": ...},
        {"file_name": ["photo_001.jpg"]},
        {"file_name": "a\0b.jpg"},
        {"file_name": "\ud800.jpg"},
        {"height": None},
        {"width": 0},
        {"width": -128},
        {"height": 1e300},
        {"height": float("inf")},
        {"height": "96"},
        {"height": 100_000, "width": 100_000},
    ],
)
def test_a_picture_whose_entry_is_broken_is_named_and_passed_over(tmp_path: Path, values: dict[str, Any]) -> None:
    path = edited(write_coco(tmp_path, [polygon(x, 1, 16, 16, 32) for x in range(3)]), "images", 1, **values)
    with pytest.raises(
        DatasetError, match=rf"1 of 3 pictures .* Broken: \S+: images\[1\].* has .*{next(iter(values))}"
    ):
        evaluate("corloc", path, method="prior")
    report = evaluate("corloc", path, method="prior", partial=True)
    assert ([reason for _, reason in report.failed], report.images) == (["broken_entry"], 2)
    assert report.scores


def test_partial_passes_over_a_picture_whose_truth_is_broken(tmp_path: Path) -> None:
    thin = {**polygon(1, 1, 0, 0, 1), "segmentation": [[30, 16, 60, 44]]}
    path = write_coco(tmp_path, [polygon(0, 1, 16, 16, 32), thin])
    with pytest.raises(DatasetError, match=r"annotation 7 of photo_001\.jpg has a broken segmentation"):
        evaluate("foreground", path, method="prior")
    report = evaluate("foreground", path, method="prior", partial=True)
    assert (report.failed, report.images) == ((("photo_001.jpg", "dataset"),), 2)


@pytest.mark.parametrize("segmentation", [..., None, []])
def test_boxes_alone_are_enough_for_protocols_of_boxes(tmp_path: Path, segmentation: Any) -> None:
    path = write_coco(tmp_path, [polygon(0, 1, 16, 16, 32, bbox=[16, 16, 32, 32])])
    path = edited(path, "annotations", 0, segmentation=segmentation)
    results = tmp_path / "results.json"
    results.write_text(json.dumps([{"image_id": 0, "bbox": [16, 16, 32, 30], "score": 0.5}]))
    dataset = open_dataset(path)
    assert not dataset.has_masks
    assert dataset.foreground.endswith("1 of 1 annotations are boxes without masks")
    np.testing.assert_array_equal(dataset.samples[0].truth().foreground, square(16, 16, 32))
    assert evaluate("corloc", path, predictions=results).scores[0].value == 1
    assert {score.name.split(" of ")[1] for score in evaluate("ap", path, predictions=results).scores} == {"boxes"}
    with pytest.raises(DatasetError, match="has boxes only, and foreground needs masks"):
        evaluate("foreground", path, method="prior")


def test_a_picture_that_has_boxes_among_masks_has_no_foreground(tmp_path: Path) -> None:
    boxed = {**polygon(1, 1, 16, 16, 32, bbox=[16, 16, 32, 32]), "segmentation": []}
    path = write_coco(tmp_path, [polygon(0, 1, 16, 16, 32), boxed])
    assert evaluate("corloc", path, method="prior").images == 3
    with pytest.raises(DatasetError, match=r"has boxes without masks of photo_001\.jpg"):
        evaluate("foreground", path, method="prior")
    assert evaluate("foreground", path, method="prior", partial=True).failed == (("photo_001.jpg", "dataset"),)


@pytest.mark.parametrize(("key", "value"), [("iscrowd", "0"), ("category_id", [1])])
def test_other_keys_are_checked_too(tmp_path: Path, key: str, value: Any) -> None:
    path = edited(write_coco(tmp_path, [polygon(0, 1, 16, 16, 32)]), "annotations", 0, **{key: value})
    with pytest.raises(DatasetError, match=rf"annotation 7 of photo_000\.jpg has the {key}"):
        open_dataset(path).samples[0].truth()


@pytest.mark.parametrize("categories", [None, []])
def test_classes_are_not_needed(tmp_path: Path, categories: Any) -> None:
    path = write_coco(tmp_path, [polygon(0, 1, 16, 16, 32)])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"categories": categories}))
    assert open_dataset(path).samples[0].truth().classes == ()


def test_a_box_beside_its_picture_could_never_be_found(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [polygon(0, 1, 16, 16, 32, bbox=[SIZE[1], 16, 32, 32])])
    with pytest.raises(
        DatasetError, match=r"annotation 7 of photo_000\.jpg has the bbox .* beside its picture of 128 x"
    ):
        evaluate("corloc", path, method="prior")
