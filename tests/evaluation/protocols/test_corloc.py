"""Boxes by hand, and against the reference program's overlap."""

from __future__ import annotations

import numpy as np
import pytest

from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.metrics.boxes import box_iou
from dinoseg.evaluation.protocols.corloc import CorLoc
from tests.evaluation.results import segmentation
from tests.evaluation.sets import square
from tests.helpers import GOLDEN

PROTOCOL = CorLoc()

LEFT, RIGHT = square(16, 16, 32), square(16, 80, 32)


def truth(*boxes: tuple[float, ...]) -> Truth:
    return Truth(LEFT, list, boxes=lambda: np.array(boxes, np.float64).reshape(-1, 4))


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((16, 16, 48, 48), 1),  # half open: exactly the square
        ((16, 16, 48, 80), 1),  # IoU 0.5 is enough
        ((16, 16, 48, 80.5), 0),  # boxes are real numbers
        ((16, 16, 48, 32), 1),
        ((80, 16, 112, 48), 0),
    ],
)
def test_an_overlap_of_a_half_is_a_hit(box: tuple[float, ...], expected: float) -> None:
    assert PROTOCOL.values(truth(box), segmentation([LEFT]))["CorLoc"] == expected


def test_any_box_of_the_truth_will_do_but_only_the_first_that_was_found() -> None:
    right = (80, 16, 112, 48)
    assert PROTOCOL.values(truth((0, 0, 9, 9), right), segmentation([RIGHT, LEFT]))["CorLoc"] == 1
    values = PROTOCOL.values(truth(right), segmentation([LEFT, RIGHT]))
    assert (values["CorLoc"], values["ORACLE CorLoc, best of all boxes"]) == (0, 1)


def test_nothing_found_is_a_miss_and_nothing_there_is_no_question() -> None:
    assert PROTOCOL.values(truth((16, 16, 48, 48)), segmentation([]))["CorLoc"] == 0
    assert PROTOCOL.values(truth(), segmentation([LEFT])) == {}


def test_without_annotated_boxes_those_of_the_objects_count() -> None:
    masks = Truth(LEFT | RIGHT, lambda: [LEFT, RIGHT])
    assert masks.object_boxes().tolist() == [[16, 16, 48, 48], [80, 16, 112, 48]]
    assert PROTOCOL.values(masks, segmentation([RIGHT]))["CorLoc"] == 1


def test_g100_the_floors_have_boxes_too() -> None:
    values = PROTOCOL.values(truth((0, 0, 128, 96)), segmentation([]))
    assert (values["CorLoc whole image"], values["CorLoc centred ellipse"]) == (1, 1)  # 0.8 x 0.8 of it
    assert PROTOCOL.values(truth((0, 0, 40, 40)), segmentation([]))["CorLoc whole image"] == 0


def test_box_overlap_is_the_reference_programs() -> None:
    golden = np.load(GOLDEN / "methods.npz")
    found = box_iou(golden["box_iou/pred"][None], golden["box_iou/gt"])
    np.testing.assert_allclose(found[0], golden["box_iou/iou"], atol=1e-6)
