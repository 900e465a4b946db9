"""Pictures that EXIF turns: truth and predictions meet in the upright frame, whichever they were drawn in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL.Image
import pytest

from dinoseg.errors import DatasetError, OptionError
from dinoseg.evaluation import evaluate
from dinoseg.evaluation.datasets import Data
from dinoseg.evaluation.run import run
from dinoseg.images.turns import TURNS
from dinoseg.options import EvaluateOptions
from dinoseg.rle import encode_rle
from tests.evaluation.sets import (
    polygon,
    square,
    write_coco,
    write_davis,
    write_mask,
    write_pairs,
    write_voc,
    write_voc_boxes,
)
from tests.helpers import exif_of, write_images

THING = square(8, 16, 32)  # off the centre, both ways


def turn_pictures(folder: Path, orientation: int) -> None:
    """Say by EXIF that all pictures below a folder lie in that orientation; their pixels stay."""
    for path in folder.rglob("*.jpg"):
        PIL.Image.open(path).save(path, exif=exif_of(orientation))


def write_predictions(folder: Path, mask: Any, n: int = 1) -> Path:
    for index in range(n):
        write_mask(folder / f"photo_{index:03d}.png", 255 * mask)
    return folder


def of_pairs(root: Path) -> Data:
    write_pairs(root, 1)
    write_mask(root / "masks" / "photo_000.png", 255 * THING)
    return root


def of_voc(root: Path) -> Data:
    return write_voc(root, [12 * THING], [1 * THING])


def of_voc_boxes(root: Path) -> Data:
    return write_voc_boxes(root, [(17, 9, 48, 40)])


def of_coco(root: Path) -> Data:
    return write_coco(root, [polygon(0, 1, 8, 16, 32, bbox=[16, 8, 32, 32])], 1)


MAKERS = {"pairs": of_pairs, "voc": of_voc, "voc boxes": of_voc_boxes, "coco": of_coco}


@pytest.mark.parametrize("layout", MAKERS)
@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("drawn", ["truth", "both"])
def test_truth_in_the_stored_frame(
    tmp_path: Path, layout: str, orientation: int, drawn: Literal["truth", "both"]
) -> None:
    data = MAKERS[layout](tmp_path / "set")
    turn_pictures(tmp_path / "set", orientation)
    predicted = TURNS[orientation].array(THING) if drawn == "truth" else THING
    place = write_predictions(tmp_path / "found", predicted)
    tells = orientation >= 5
    boxes: dict[str, Any] = {"image_set": "Main/trainval"} if layout == "voc boxes" else {}
    stored = None if tells else drawn
    report = evaluate("corloc" if boxes else "foreground", data, predictions=place, stored_frame=stored, **boxes)
    assert report.scores[0].value == 1
    counts = {"pictures": 1, "truth": 1} | ({"predictions": 1} if drawn == "both" else {})
    assert report.exif == counts | ({} if tells else {"untold": 1})
    assert "EXIF turns 1 pictures, and with them the truth of 1" in report.to_markdown()
    assert report.to_json()["exif"] == report.exif


def test_boxes_and_objects_turn_too(tmp_path: Path) -> None:
    data = of_coco(tmp_path / "set")
    turn_pictures(tmp_path / "set", 6)
    place = write_predictions(tmp_path / "found", TURNS[6].array(THING))
    scores = {score.name: score.value for score in evaluate("ap", data, predictions=place).scores}
    assert (scores["AP of masks"], scores["AP of boxes"]) == (pytest.approx(1), pytest.approx(1))


@pytest.mark.parametrize(
    "entry",
    [
        {"bbox": [16, 8, 32, 32]},  # in the frame of the data set's json
        {"segmentation": encode_rle(THING)},
        {"segmentation": encode_rle(TURNS[6].array(THING))},  # upright, as its own size says
    ],
)
def test_results_of_coco_turn_with_the_picture(tmp_path: Path, entry: dict[str, Any]) -> None:
    data, place = of_coco(tmp_path / "set"), tmp_path / "results.json"
    turn_pictures(tmp_path / "set", 6)
    place.write_text(json.dumps([{"image_id": 0, "score": 0.5, **entry}]))
    scores = {score.name: score.value for score in evaluate("ap", data, predictions=place).scores}
    assert scores["AP of boxes"] == pytest.approx(1)
    assert scores.get("AP of masks", 1) == pytest.approx(1)


def test_a_soft_prediction_stays_soft(tmp_path: Path) -> None:
    data = of_pairs(tmp_path / "set")
    turn_pictures(tmp_path / "set", 8)
    place = write_predictions(tmp_path / "found", THING * 0.8)
    scores = {score.name: score.value for score in evaluate("saliency", data, predictions=place).scores}
    assert scores["MAE (an error)"] == pytest.approx(0.2 * THING.mean(), abs=1e-3)


def test_the_road_is_upright_and_its_truth_is_turned(tmp_path: Path) -> None:
    data = of_pairs(tmp_path / "set")
    before = evaluate("foreground", data, method="prior", refine="none").scores[0].value
    turn_pictures(tmp_path / "set", 6)
    report = evaluate("foreground", data, method="prior", refine="none")
    assert report.scores[0].value == pytest.approx(before, abs=0.02)  # the prior is the same in both frames
    assert report.exif == {"pictures": 1, "truth": 1}


def test_a_truth_that_is_upright_stays(tmp_path: Path) -> None:
    data = of_pairs(tmp_path / "set")
    turn_pictures(tmp_path / "set", 6)
    write_mask(tmp_path / "set" / "masks" / "photo_000.png", 255 * TURNS[6].array(THING))
    place = write_predictions(tmp_path / "found", TURNS[6].array(THING))
    report = evaluate("foreground", data, predictions=place, stored_frame="both")  # sizes tell better
    assert (report.scores[0].value, report.exif) == (1, {"pictures": 1})


def test_where_sizes_do_not_tell_the_report_says_so(tmp_path: Path) -> None:
    data = of_pairs(tmp_path / "set")
    turn_pictures(tmp_path / "set", 3)
    report = evaluate("foreground", data, predictions=write_predictions(tmp_path / "found", THING))
    assert report.exif == {"pictures": 1, "untold": 1}
    assert "**of 1 the sizes do not tell in which frame it is**: see --stored-frame" in report.to_markdown()


def test_pictures_that_lie_as_they_are_shown_are_not_mentioned(tmp_path: Path) -> None:
    report = evaluate("foreground", of_pairs(tmp_path), method="prior")
    assert report.exif == {}
    assert "EXIF" not in report.to_markdown()


def test_a_mask_of_neither_frame_is_told_with_both(tmp_path: Path) -> None:
    data = of_pairs(tmp_path / "set")
    turn_pictures(tmp_path / "set", 6)
    place = write_predictions(tmp_path / "found", np.ones((50, 60), bool))
    told = r"The picture is 128 x 96 px as stored and 96 x 128 upright \(EXIF orientation 6\)"
    with pytest.raises(DatasetError, match=told):
        evaluate("foreground", data, predictions=place)


def test_the_first_truth_of_a_video_turns_before_it_is_followed(tmp_path: Path) -> None:
    root = write_davis(tmp_path, {"cat": 3})
    turn_pictures(root, 6)
    report = evaluate("davis-propagation", root, size=64)
    assert report.exif == {"pictures": 3, "truth": 3}
    kept = {score.name: score.value for score in report.scores}["J&F first mask kept"]
    assert kept == 1


def test_an_evaluation_that_goes_on_counts_them_all(tmp_path: Path) -> None:
    write_images(tmp_path / "set" / "images", 2)
    for index in range(2):
        write_mask(tmp_path / "set" / "masks" / f"photo_{index:03d}.png", 255 * THING)
    turn_pictures(tmp_path / "set", 6)

    def stop(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"method": "prior", "output": tmp_path / "out"}
    with pytest.raises(KeyboardInterrupt):
        run("foreground", tmp_path / "set", EvaluateOptions(**options), stop)
    assert evaluate("foreground", tmp_path / "set", **options).exif == {"pictures": 2, "truth": 2}


def test_results_of_a_method_are_upright(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--stored-frame predictions: results of a method are upright"):
        evaluate("foreground", tmp_path, stored_frame="predictions")
