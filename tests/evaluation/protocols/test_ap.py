"""AP and AR equal to pycocotools run by hand on the same json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from dinoseg.errors import DatasetError
from dinoseg.evaluation import evaluate
from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.metrics.instances import NAMES
from dinoseg.evaluation.protocols.ap import InstanceAP
from dinoseg.evaluation.report import Row
from dinoseg.rle import encode_rle, rle_box
from tests.evaluation.results import segmentation
from tests.evaluation.sets import SIZE, polygon, square, write_coco, write_mask, write_voc_boxes

PROTOCOL = InstanceAP()

LEFT, RIGHT = square(16, 16, 32), square(16, 80, 32)


def annotations() -> list[dict[str, Any]]:
    """Objects of three pictures, one of them a crowd."""
    made = [polygon(0, 1, 10, 10, 40), polygon(0, 2, 50, 60, 30), polygon(1, 1, 30, 30, 50), polygon(2, 3, 5, 5, 20)]
    crowd = square(40, 40, 50)
    rle = {"size": list(SIZE), "counts": runs(crowd)}
    made.append({"image_id": 2, "category_id": 1, "segmentation": rle, "iscrowd": 1})
    for number, annotation in enumerate(made, 1):
        x, y, side = (40, 40, 50) if annotation.get("iscrowd") else box_of(annotation)
        annotation.update(id=number, bbox=[x, y, side, side], area=side * side, iscrowd=annotation.get("iscrowd", 0))
    return made


def runs(mask: np.ndarray) -> list[int]:
    """Uncompressed run lengths, down the columns."""
    flat = np.concatenate([[0], mask.T.ravel(), [0]]).astype(int)
    edges = np.flatnonzero(np.diff(flat))
    return np.diff([0, *edges, mask.size]).tolist()


def box_of(annotation: dict[str, Any]) -> tuple[int, int, int]:
    corners = annotation["segmentation"][0]
    return corners[0], corners[1], corners[2] - corners[0]


def results(seed: int) -> list[dict[str, Any]]:
    """Squares beside the objects, more or less, with scores of which some are equal."""
    random = np.random.default_rng(seed)
    found = []
    for picture in (0, 1, 2):
        for top, left, side in [(12, 11, 38), (50, 62, 30), (30, 34, 50), (6, 5, 19), (45, 45, 20)]:
            rle = encode_rle(square(top + int(random.integers(4)), left, side))
            score = round(float(random.random()), 1)
            x0, y0, x1, y1 = rle_box(rle)
            found.append({"image_id": picture, "category_id": 1, "segmentation": rle, "score": score})
            found[-1]["bbox"] = [x0, y0, x1 - x0, y1 - y0]
    return found


def by_hand(truth: Path, found: list[dict[str, Any]], kind: str) -> list[float]:
    """What a user of pycocotools writes, classes not counted."""
    there = COCO(str(truth))
    evaluator = COCOeval(there, there.loadRes(found), kind)
    evaluator.params.useCats = 0
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return [float(evaluator.stats[index]) for index in (0, 1, 2, 6, 7, 8)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equal_to_pycocotools(tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    truth, found, place = write_coco(tmp_path, annotations()), results(seed), tmp_path / "found.json"
    place.write_text(json.dumps(found))
    report = evaluate("ap", truth, predictions=place)
    assert capsys.readouterr().out == ""
    values = [score.value for score in report.scores]
    assert values[:6] == pytest.approx(by_hand(truth, found, "segm"), abs=1e-12)
    assert values[6:] == pytest.approx(by_hand(truth, found, "bbox"), abs=1e-12)
    assert 0 < values[0] < 1
    for score in report.scores:
        assert score.interval is not None
        assert score.interval[0] <= score.value <= score.interval[1]


@pytest.mark.parametrize("empty", [{}, {"segmentation": []}])  # what detectors write
def test_boxes_alone_are_scored_as_boxes(tmp_path: Path, empty: dict[str, Any]) -> None:
    truth, place = write_coco(tmp_path, annotations()), tmp_path / "found.json"
    found = [{key: x[key] for key in ("image_id", "category_id", "bbox", "score")} | empty for x in results(0)]
    for number, entry in enumerate(found):
        entry["bbox"] = [entry["bbox"][0] + 0.3 * (number % 5), *entry["bbox"][1:3], 33.25]  # not of whole pixels
    place.write_text(json.dumps(found))
    report = evaluate("ap", truth, predictions=place)
    assert [score.name for score in report.scores] == [f"{name} of boxes" for name in NAMES]
    assert [x.value for x in report.scores] == pytest.approx(by_hand(truth, boxes_only(found), "bbox"), abs=1e-12)
    assert 0 < report.scores[0].value < 1
    assert f"- predictions: {place} (boxes only: masks are not scored)" in report.to_markdown().splitlines()


def boxes_only(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As pycocotools wants them."""
    return [{key: value for key, value in entry.items() if key != "segmentation"} for entry in found]


def test_boxes_alone_may_be_the_truth(tmp_path: Path) -> None:
    root = write_voc_boxes(tmp_path / "VOC2007", [(31, 21, 70, 60), (1, 1, 9, 9)])
    for number, mask in enumerate([square(20, 30, 40), square(60, 60, 9)]):
        write_mask(tmp_path / "found" / f"photo_00{number}.png", 255 * mask)
    report = evaluate("ap", root, image_set="Main/trainval", predictions=tmp_path / "found")
    assert [score.name for score in report.scores] == [f"{name} of boxes" for name in NAMES]
    assert report.scores[5].value == 0.5  # one of two is found


def rows(*pairs: tuple[Truth, Any], sequences: str = "") -> list[Row]:
    """A row per pair; ``sequences`` has a letter per row where there are videos."""
    names = sequences or [""] * len(pairs)
    return [Row("", {}, name, evidence=PROTOCOL.evidence(*pair)) for pair, name in zip(pairs, names, strict=True)]


def test_the_truth_against_itself_is_1() -> None:
    truth = Truth(LEFT | RIGHT, lambda: [LEFT, RIGHT])
    scores = {score.name: score.value for score in PROTOCOL.conclude(rows((truth, segmentation([RIGHT, LEFT]))))}
    assert scores.pop("AR@1 of masks") == scores.pop("AR@1 of boxes") == 0.5
    assert set(scores.values()) == {1}


def test_a_crowd_forgives_and_is_not_missed() -> None:
    truth = Truth(LEFT | RIGHT, lambda: [LEFT], crowds=lambda: [RIGHT])
    for found in ([LEFT], [RIGHT, LEFT]):
        assert PROTOCOL.conclude(rows((truth, segmentation(found))))[0].value == pytest.approx(1)


def test_void_is_taken_out_of_what_was_found() -> None:
    scores = PROTOCOL.conclude(rows((Truth(LEFT, lambda: [LEFT], RIGHT), segmentation([LEFT | RIGHT]))))
    assert (scores[0].name, scores[0].value) == ("AP of masks", pytest.approx(1))


def test_g101_it_is_one_number_over_the_set_not_a_mean_of_images() -> None:
    truth, sure, wrong = Truth(LEFT, lambda: [LEFT]), segmentation([LEFT]), segmentation([RIGHT])
    ap50 = PROTOCOL.conclude(rows((truth, sure), (truth, wrong), (truth, sure)))[1]
    assert ap50.value == pytest.approx((34 / 101 * 1 + 33 / 101 * 2 / 3), abs=0.01)
    assert (ap50.units, ap50.unit) == (3, "images")


def test_videos_are_drawn_as_a_whole() -> None:
    truth, sure = Truth(LEFT, lambda: [LEFT]), segmentation([LEFT])
    found = PROTOCOL.conclude(rows(*[(truth, sure)] * 3, sequences="aab"))
    assert (found[0].units, found[0].unit, found[0].interval) == (2, "sequences", (1, 1))


def test_a_set_without_objects_is_an_error() -> None:
    with pytest.raises(DatasetError, match="no picture has an object"):
        PROTOCOL.conclude(rows((Truth(np.zeros(SIZE, bool), list), segmentation([LEFT]))))
