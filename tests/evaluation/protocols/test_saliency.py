"""Soft masks against the foreground; the numbers themselves are tested in test_soft_metrics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.predictions.base import with_soft_masks
from dinoseg.evaluation.protocols.saliency import MAX_F, Saliency
from dinoseg.evaluation.report import Row
from dinoseg.segmentation import Segmentation
from dinoseg.types import Source
from tests.evaluation.results import finished, segmentation
from tests.evaluation.sets import SIZE, square

PROTOCOL = Saliency()

LEFT, RIGHT = square(16, 16, 32), square(16, 80, 32)
NOTHING = np.zeros(SIZE, bool)


def soft(*maps: np.ndarray) -> Segmentation:
    """Objects with these soft masks."""
    made = with_soft_masks(finished(segmentation([values > 0.5 for values in maps]), Source("a", b"")))
    return replace(made, soft_masks=np.stack(maps).astype(np.float32))


def test_the_surest_object_counts_at_every_pixel() -> None:
    values = PROTOCOL.values(Truth(LEFT | RIGHT, list), soft(0.9 * LEFT, 0.6 * RIGHT + 0.3 * LEFT))
    assert values["IoU"] == values["accuracy"] == values["F1 at 0.5"] == values["AUROC"] == 1
    share = LEFT.mean()
    assert values["MAE (an error)"] == pytest.approx(0.1 * share + 0.4 * share, abs=1e-6)


def test_g96_void_counts_nowhere() -> None:
    values = PROTOCOL.values(Truth(LEFT, list, RIGHT), soft(LEFT | RIGHT))
    right = {name: value for name, value in values.items() if "centred" not in name and "whole" not in name}
    assert right.pop("MAE (an error)") == 0
    assert right == pytest.approx(dict.fromkeys(right, 1))


def test_nothing_found_and_nothing_there() -> None:
    found, there = (
        PROTOCOL.values(Truth(LEFT, list), segmentation_without()),
        PROTOCOL.values(Truth(NOTHING, list), soft(LEFT)),
    )
    assert (found["IoU"], found["F (0.3) at 0.5"], found["recall at 0.5"], found["precision at 0.5"]) == (0, 0, 0, 1)
    assert (there["IoU"], there["F (0.3) at 0.5"]) == (0, 0)
    assert "AUROC" not in there


def segmentation_without() -> Segmentation:
    return with_soft_masks(finished(segmentation([]), Source("a", b"")))


def test_the_maximum_of_the_mean_curve_is_not_the_mean_of_the_maxima() -> None:
    truth = Truth(LEFT, list)
    low, high = soft(0.9 * LEFT + 0.6 * RIGHT), soft(0.3 * LEFT)  # the best thresholds are above 0.6 and below 0.3
    rows = [
        Row(name, PROTOCOL.values(truth, result), evidence=PROTOCOL.evidence(truth, result))
        for name, result in (("a", low), ("b", high))
    ]
    scores = {score.name: score for score in PROTOCOL.conclude(rows)}
    assert scores["ORACLE max F (0.3) per image"].value == 1
    both = (
        1.3 * 0.5 / (0.3 * 0.5 + 1) + 1
    ) / 2  # one threshold: the first's right half is found too, or the second lost
    assert scores[MAX_F].value == pytest.approx(both)
    assert (scores[MAX_F].kind, scores[MAX_F].units) == ("oracle", 2)
    assert scores[MAX_F].interval == pytest.approx((both, 1))  # either image drawn twice has a threshold that is right


def test_the_floors_stand_beside_it() -> None:
    values = PROTOCOL.values(Truth(LEFT, list), soft(LEFT))
    assert values["IoU whole image"] == pytest.approx(LEFT.mean())
    assert {"IoU centred ellipse", "F (0.3) centred ellipse", "F (0.3) whole image"} <= set(values)
