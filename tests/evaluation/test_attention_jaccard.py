"""Heads against objects, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dinoseg.evaluation.attention_jaccard import head_masks, measure
from dinoseg.evaluation.samples import Truth
from tests.evaluation.results import heads, segmentation
from tests.evaluation.sets import SIZE, square

LEFT, RIGHT = square(16, 16, 32), square(16, 80, 32)  # 4 x 4 patches each
SHARE = 10 / 16  # 60 % of the mass of 16 equal patches


def truth(*objects: np.ndarray, void: np.ndarray | None = None) -> Truth:
    return Truth(np.any([np.zeros(SIZE, bool), *objects], axis=0), lambda: list(objects), void)


def test_each_object_has_its_own_best_head() -> None:
    values = measure(truth(LEFT, RIGHT), segmentation([], heads(LEFT, RIGHT)))
    assert values["ORACLE best head per object"] == pytest.approx(SHARE)
    assert values["head 0"] == values["head 1"] == pytest.approx(SHARE / 2)
    assert next(iter(values)) == "ORACLE best head per object"  # the headline, named as what it is


def test_the_mean_of_heads_is_not_the_mean_of_scores() -> None:
    values = measure(truth(LEFT | RIGHT), segmentation([], heads(LEFT, RIGHT)))
    assert values["mean of heads"] == pytest.approx(20 / 32)
    assert values["head 0"] == pytest.approx(SHARE / 2)


def test_objects_of_one_picture_count_alike() -> None:
    small = square(72, 16, 8)
    values = measure(truth(LEFT, small), segmentation([], heads(LEFT)))
    assert values["head 0"] == pytest.approx((SHARE + 0) / 2)


def test_g96_void_is_left_out() -> None:
    missed = LEFT & ~head_masks(segmentation([], heads(LEFT)))[0]
    values = measure(truth(LEFT, void=missed), segmentation([], heads(LEFT)))
    assert values["head 0"] == 1


def test_g100_floors_are_measured_in_the_same_way() -> None:
    values = measure(truth(LEFT, RIGHT), segmentation([], heads(LEFT)))
    assert values["whole image"] == pytest.approx(LEFT.sum() / LEFT.size)
    assert 0 < values["centred ellipse"] < 0.5


def test_a_picture_without_objects_is_in_no_mean() -> None:
    assert measure(truth(), segmentation([], heads(LEFT))) == {}
