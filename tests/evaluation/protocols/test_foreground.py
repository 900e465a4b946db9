"""Masks against foreground, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.protocols.foreground import Foreground
from dinoseg.evaluation.report import Row
from tests.evaluation.results import heads, segmentation
from tests.evaluation.sets import SIZE, square

PROTOCOL = Foreground()

LEFT, RIGHT = square(16, 16, 32), square(16, 80, 32)


def truth(foreground: np.ndarray, void: np.ndarray | None = None) -> Truth:
    return Truth(foreground, list, void)


def row(id_: str, values: dict[str, float], sequence: str = "", classes: tuple[str, ...] = ()) -> Row[None]:
    return Row(id_, values, sequence, classes, evidence=None)


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([LEFT, RIGHT], 1.0),  # the union of all objects counts
        ([LEFT], 0.5),
        ([LEFT, LEFT], 0.5),  # overlapping objects count once
        ([], 0.0),
    ],
)
def test_the_union_of_objects_is_compared(objects: list[np.ndarray], expected: float) -> None:
    assert PROTOCOL.values(truth(LEFT | RIGHT), segmentation(objects))["IoU"] == expected


def test_g96_void_is_left_out_of_score_and_floors() -> None:
    values = PROTOCOL.values(truth(LEFT, void=RIGHT), segmentation([LEFT, RIGHT]))
    assert values["IoU"] == 1
    assert values["whole image"] == LEFT.sum() / (SIZE[0] * SIZE[1] - RIGHT.sum())


def test_nothing_there_and_nothing_found_is_right() -> None:
    nothing = np.zeros(SIZE, bool)
    values = PROTOCOL.values(truth(nothing), segmentation([]))
    assert (values["IoU"], values["whole image"], values["centred ellipse"]) == (1, 0, 0)


def test_g100_the_floors_stand_beside_every_score() -> None:
    assert list(PROTOCOL.values(truth(LEFT), segmentation([LEFT]))) == ["IoU", "centred ellipse", "whole image"]


def test_the_best_head_is_an_oracle_and_needs_attention() -> None:
    attention = heads(RIGHT, LEFT, LEFT | RIGHT)
    values = PROTOCOL.values(truth(LEFT | RIGHT), segmentation([LEFT], attention))
    assert values["IoU"] == 0.5
    # 60 % of the third head's mass: 20 of its 32 equal patches
    assert values["ORACLE best head (60 % mass)"] == pytest.approx(20 / 32)


def test_g98_classes_are_averaged_over_the_pictures_that_have_them() -> None:
    rows = [
        row("a", {"IoU": 0.9}, classes=("cat",)),
        row("b", {"IoU": 0.5}, classes=("cat", "dog")),
        row("c", {"IoU": 0.1}, classes=()),
    ]
    scores = {score.name: score for score in PROTOCOL.conclude(rows)}
    assert list(scores) == ["IoU", "IoU, mean over classes", "IoU, cat", "IoU, dog"]
    assert scores["IoU"].value == pytest.approx(0.5)
    assert (scores["IoU, cat"].value, scores["IoU, cat"].units) == (pytest.approx(0.7), 2)
    assert (scores["IoU, dog"].value, scores["IoU, dog"].units) == (0.5, 1)
    mean = scores["IoU, mean over classes"]
    assert (mean.value, mean.units, mean.unit) == (pytest.approx(0.6), 2, "classes")
    # Drawn again: twice a (0.9), twice b (0.5), or both (0.6); the picture without a class is in none of them.
    assert mean.interval == (pytest.approx(0.5), pytest.approx(0.9))


def test_a_mean_over_classes_of_one_picture_has_no_interval() -> None:
    scores = PROTOCOL.conclude([row("a", {"IoU": 0.9}, classes=("cat",)), row("b", {"IoU": 0.5})])
    assert [score.interval for score in scores if "classes" in score.name] == [None]


def test_without_classes_there_are_none() -> None:
    assert [score.name for score in PROTOCOL.conclude([row("a", {"IoU": 0.9})])] == ["IoU"]
