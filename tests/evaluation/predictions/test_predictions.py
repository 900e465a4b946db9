"""Predictions in files: written by `segment` or by anyone else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinoseg.errors import DatasetError, InputNotFound, OptionError
from dinoseg.evaluation import evaluate
from dinoseg.evaluation.datasets.base import Sample, Truth
from dinoseg.evaluation.predictions.base import boxes_of
from dinoseg.evaluation.predictions.files import open_predictions
from dinoseg.folder import segment_folder
from dinoseg.options import OutputOptions, SegmentOptions
from dinoseg.rle import encode_rle
from tests.evaluation.sets import SIZE, polygon, square, write_coco, write_mask, write_pairs

LEFT, RIGHT = square(16, 16, 32), square(16, 80, 32)


def sample(id_: str = "cat.jpg", number: int | None = None) -> Sample:
    return Sample(id_, Path(id_), Path("mask.png"), lambda: Truth(LEFT, list), number=number, size=SIZE)


@pytest.mark.parametrize(
    "protocol", ["foreground", "corloc", *(pytest.param(x, marks=pytest.mark.slow) for x in ("saliency", "ap"))]
)
def test_what_segment_wrote_scores_as_the_run_itself(tmp_path: Path, protocol: str) -> None:
    root, out = write_pairs(tmp_path / "set", 3), tmp_path / "out"
    options: dict[str, Any] = {"method": "prior", "refine": "none"}
    output = OutputOptions(output=out, formats=("masks", "labels", "coco"))
    segment_folder([root / "images"], SegmentOptions(**options), output)
    direct = evaluate(protocol, root, **options)
    assert direct.scores
    for place in (out / "masks", out / "labels", out / "coco.json"):
        again = evaluate(protocol, root, predictions=place)
        soft = {"MAE (an error)", "AUROC", "S-measure"}  # of the soft masks, which these files do not hold
        compared = [
            (x, y)
            for x, y in zip(direct.scores, again.scores, strict=True)
            if x.name not in soft and "max F" not in x.name and "adaptive" not in x.name
        ]
        for before, after in compared:
            assert (before.name, before.value, before.interval) == (after.name, after.value, after.interval), place


def test_the_report_names_the_files_and_no_network(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, 2)
    report = evaluate("foreground", root, predictions=root / "masks")
    assert report.headline is not None
    assert report.headline.value == 1
    assert (report.model, report.sha256, report.size) == (None, None, None)
    assert f"- predictions: {root / 'masks'}" in report.to_markdown().splitlines()
    assert "--predictions" in report.command


@pytest.mark.parametrize(
    ("values", "mode", "objects", "sure"),
    [
        (255 * LEFT, "L", [LEFT], 1.0),
        (1 * LEFT, "L", [LEFT], 1.0),  # 0 and 1
        (204 * LEFT + 51 * RIGHT, "L", [LEFT], 0.8),  # grey: a soft mask
        (1 * LEFT + 2 * RIGHT, "P", [LEFT, RIGHT], 1.0),  # objects by number
        (np.where(LEFT, 1, 255 * RIGHT), "P", [LEFT], 1.0),  # 255 is void
        (0 * LEFT, "L", [], 0.0),
    ],
)
def test_pictures_of_masks(tmp_path: Path, values: Any, mode: str, objects: list[Any], sure: float) -> None:
    write_mask(tmp_path / "cat.png", values, mode)
    found = open_predictions(tmp_path)(sample())
    assert found is not None
    np.testing.assert_array_equal(found.masks, np.reshape(objects, (-1, *SIZE)))
    assert found.soft().max(initial=0) == pytest.approx(sure)
    assert found.reason == (None if objects else "no_object")
    assert open_predictions(tmp_path)(sample("dog.jpg")) is None


@pytest.mark.parametrize(
    ("values", "numbered", "labels"),
    [
        (1 * LEFT + 2 * RIGHT, True, [1, 2]),
        (np.where(LEFT, 7, 255 * RIGHT), True, [7]),  # void
        (255 * LEFT, True, [1]),
        (np.where(LEFT, np.arange(SIZE[1]) + 100, 0), True, [1]),  # soft, and so one object
        (np.where(LEFT, np.arange(SIZE[1]) + 100, 0), False, [1]),
    ],
)
def test_grey_pictures_hold_numbers_where_these_are_wanted(
    tmp_path: Path, values: Any, numbered: bool, labels: list[int]
) -> None:
    write_mask(tmp_path / "cat.png", values)
    found = open_predictions(tmp_path, numbered)(sample())
    assert found is not None
    assert [instance.label for instance in found.instances] == labels


def test_grey_numbers_are_no_soft_masks(tmp_path: Path) -> None:
    write_mask(tmp_path / "ape.png", 0 * LEFT)
    write_mask(tmp_path / "cat.png", 1 * LEFT + 2 * RIGHT)
    with pytest.raises(DatasetError, match=r"grey masks of levels up to 2: .* by number need a palette"):
        open_predictions(tmp_path)
    write_mask(tmp_path / "dog.png", 200 * LEFT)  # one that can be a soft mask: the others are unsure ones
    assert open_predictions(tmp_path)(sample()) is not None


def test_g94_a_missing_prediction_counts_as_failed(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, 2)
    write_mask(tmp_path / "found" / "photo_000.png", 255 * LEFT)
    report = evaluate("foreground", root, predictions=tmp_path / "found")
    assert report.failed == (("photo_001.jpg", "missing_prediction"),)
    assert report.headline is None


def test_g95_a_prediction_of_another_size_is_an_error(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, 1)
    place = write_mask(tmp_path / "found" / "photo_000.png", np.zeros((50, 60)))
    with pytest.raises(DatasetError, match=f"128 x 96 px, but {place} 60 x 50: masks are never resized"):
        evaluate("foreground", root, predictions=tmp_path / "found")


def test_results_are_found_by_cocos_image_id(tmp_path: Path) -> None:
    truth = write_coco(tmp_path, [polygon(1, 1, 16, 16, 32)])
    place = tmp_path / "results.json"
    entries = [
        {"image_id": 1, "category_id": 5, "segmentation": encode_rle(mask), "score": score}
        for mask, score in ((RIGHT, 0.2), (LEFT, 0.9))
    ]
    place.write_text(json.dumps(entries))
    read = open_predictions(place)
    found, nothing = read(sample(number=1)), read(sample(number=2))
    assert found is not None
    assert nothing is not None
    np.testing.assert_array_equal(found.masks, [LEFT, RIGHT])  # the surest first
    assert (found.scores, len(nothing.instances)) == ([0.9, 0.2], 0)
    assert evaluate("corloc", truth, predictions=place).scores[0].value == 1
    with pytest.raises(DatasetError, match="the data must be a COCO json too"):
        evaluate("corloc", write_pairs(tmp_path / "pairs", 1), predictions=place)


def test_boxes_are_scored_by_protocols_of_boxes(tmp_path: Path) -> None:
    truth, place = write_coco(tmp_path, [polygon(1, 1, 16, 16, 32)]), tmp_path / "results.json"
    found = [(0.2, [0, 0, 9, 9]), (0.9, [15.5, 16.5, 32, 32]), (0.1, [500, 500, 9, 9])]  # the last lies outside
    place.write_text(json.dumps([{"image_id": 1, "bbox": box, "score": score} for score, box in found]))
    read = open_predictions(place)(sample(number=1))
    assert read is not None
    assert boxes_of(read).tolist() == [[15.5, 16.5, 47.5, 48.5], [0, 0, 9, 9], [500, 500, 509, 509]]
    assert read.scores == [0.9, 0.2, 0.1]
    assert evaluate("corloc", truth, predictions=place).scores[0].value == 1
    with pytest.raises(
        OptionError, match=r"results\.json holds boxes without masks, and foreground needs masks: ap and"
    ):
        evaluate("foreground", truth, predictions=place)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"bbox": [1, 2, 3]}, r"results\[0\] of picture 1 has the bbox \[1, 2, 3\]"),
        ({"bbox": [1, 2, 3, "much"]}, "has the bbox"),
        ({"bbox": [1, 2, 3, float("nan")]}, "has the bbox"),
        ({"bbox": [1, 2, -3, 4]}, "has the bbox"),
        ({"bbox": [1, 2, 3, 4], "score": "high"}, r"results\[0\] of picture 1 has the score 'high'"),
        ({"bbox": [1, 2, 3, 4], "score": float("nan")}, "the score nan"),
        ({"score": 0.5}, r"results\[0\] of picture 1 has no segmentation"),  # neither
    ],
)
def test_broken_results_are_named(tmp_path: Path, entry: dict[str, Any], told: str) -> None:
    truth, place = write_coco(tmp_path, [polygon(1, 1, 16, 16, 32)]), tmp_path / "results.json"
    place.write_text(json.dumps([{"image_id": 1, **entry}]))
    with pytest.raises(DatasetError, match=told):
        evaluate("corloc", truth, predictions=place)


def test_a_result_without_mask_among_masks_is_told(tmp_path: Path) -> None:
    truth, place = write_coco(tmp_path, [polygon(1, 1, 16, 16, 32)]), tmp_path / "results.json"
    place.write_text(
        json.dumps([{"image_id": 1, "segmentation": encode_rle(LEFT)}, {"image_id": 1, "bbox": [0, 0, 9, 9]}])
    )
    with pytest.raises(DatasetError, match="has no segmentation"):
        evaluate("corloc", truth, predictions=place)


def test_a_data_set_is_found_by_file_name(tmp_path: Path) -> None:
    read = open_predictions(write_coco(tmp_path, [polygon(1, 1, 16, 16, 32)]))
    found, empty = read(sample("photo_001.jpg")), read(sample("photo_000.jpg"))
    assert found is not None
    assert found.boxes.tolist() == [[16, 16, 48, 48]]
    assert empty is not None
    assert empty.reason == "no_object"
    assert read(sample("cat.jpg")) is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "cannot be read as json"),
        ("{}", "has no list 'annotations'"),
        ('[{"score": 1}]', r"results\[0\] has no image_id"),
        ('[{"image_id": []}]', r"results\[0\] has the image_id \[\]"),
        ("[7]", r"results\[0\] is 7"),
        ("3", "has no list 'annotations'"),
        ('{"images": [], "annotations": [{"image_id": 5}]}', r"1 of 1 objects .* it does not list \(image_id 5\)"),
        ('{"images": [{"id": 5}], "annotations": []}', r"images\[0\] has no file_name"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_broken_json_is_named(tmp_path: Path, content: str, told: str) -> None:
    place = tmp_path / "results.json"
    place.write_text(content)
    with pytest.raises(DatasetError, match=told):
        open_predictions(place)


def test_places_without_predictions(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DatasetError, match="holds no "):
            open_predictions(place)


@pytest.mark.parametrize("protocol", ["saliency", "davis-unsupervised-objects", "attention-jaccard", "knn"])
@pytest.mark.parametrize("there", ["data", "predictions"])
def test_a_path_that_is_not_there_is_told_before_anything_else(tmp_path: Path, protocol: str, there: str) -> None:
    places = {"data": tmp_path / "nowhere", "predictions": tmp_path / "nowhere"} | {there: tmp_path}
    with pytest.raises(InputNotFound, match="nowhere"):
        evaluate(protocol, places["data"], predictions=places["predictions"], smooth=2)


@pytest.mark.parametrize("more", [{"method": "kmeans"}, {"random_weights": True}, {"param": ("k=3",)}])
def test_predictions_are_not_made_as_well(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="--predictions are scored as they are"):
        evaluate("foreground", tmp_path, predictions=tmp_path, **more)


def test_files_hold_no_attention(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, 1)
    with pytest.raises(OptionError, match="measures attention maps, which files do not hold"):
        evaluate("attention-jaccard", root, predictions=root / "masks")


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ([501, 502], "2 of 2 objects .* instances_val2017 does not list \\(image_id 501, 502\\); its 3 pictures"),
        ([1, 502], "1 of 2 objects"),
        (["1", "2"], "Number and text are not the same id. A json with images of its own may name them"),
        (["photo_001.jpg", "photo_002.jpg"], "image_id 'photo_001.jpg', 'photo_002.jpg'"),
    ],
)
def test_results_of_foreign_pictures_are_refused(tmp_path: Path, ids: list[Any], told: str) -> None:
    truth, place = write_coco(tmp_path, [polygon(1, 1, 16, 16, 32)]), tmp_path / "results.json"
    place.write_text(json.dumps([{"image_id": id_, "bbox": [16, 16, 32, 32]} for id_ in ids]))
    with pytest.raises(DatasetError, match=told):
        evaluate("corloc", truth, predictions=place)


def test_results_may_be_of_more_pictures_than_a_list_names(tmp_path: Path) -> None:
    truth, place = write_coco(tmp_path, [polygon(1, 1, 16, 16, 32)]), tmp_path / "results.json"
    place.write_text(json.dumps([{"image_id": id_, "bbox": [16, 16, 32, 32]} for id_ in (0.0, 1.0, 2)]))
    (tmp_path / "one.txt").write_text("photo_001.jpg\n")
    report = evaluate("corloc", truth, predictions=place, image_set=str(tmp_path / "one.txt"))
    assert (report.images, report.scores[0].value) == (1, 1)


def test_images_of_the_predictions_own_map_ids_to_names(tmp_path: Path) -> None:
    truth, place = write_coco(tmp_path, [polygon(1, 1, 16, 16, 32)]), tmp_path / "own.json"
    images = [{"id": f"x{i}", "file_name": f"photo_00{i}.jpg", "height": SIZE[0], "width": SIZE[1]} for i in range(3)]
    place.write_text(json.dumps({"images": images, "annotations": [polygon("x1", 1, 16, 16, 32)]}))  # type: ignore[arg-type]
    assert evaluate("corloc", truth, predictions=place).scores[0].value == 1


@pytest.mark.parametrize("side", [0, -96, 2**31 - 1, 2**40, 1e300, float("inf"), float("nan"), None, "96"])
def test_a_predicted_picture_of_no_size_is_named_and_passed_over(tmp_path: Path, side: Any) -> None:
    truth, place = write_coco(tmp_path, [polygon(1, 1, 16, 16, 32)], 2), tmp_path / "own.json"
    images = [{"id": i, "file_name": f"photo_00{i}.jpg", "height": SIZE[0], "width": SIZE[1]} for i in range(2)]
    images[0]["height"] = side
    place.write_text(json.dumps({"images": images, "annotations": [polygon(i, 1, 16, 16, 32) for i in range(2)]}))
    with pytest.raises(DatasetError, match=r"own\.json: the picture photo_000\.jpg has the height"):
        evaluate("foreground", truth, predictions=place)
    report = evaluate("foreground", truth, predictions=place, partial=True)
    assert (report.failed, report.images) == ((("photo_000.jpg", "dataset"),), 1)
