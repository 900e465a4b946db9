"""J and F of frames, statistics of videos."""

from __future__ import annotations

import pytest

from dinoseg.evaluation.datasets.base import Truth
from dinoseg.evaluation.metrics.masks import contour
from dinoseg.evaluation.protocols.davis import DavisUnsupervised
from dinoseg.evaluation.report import Row
from tests.evaluation.results import segmentation
from tests.evaluation.sets import square

PROTOCOL = DavisUnsupervised()

TRUTH = Truth(square(), list)


def row(id_: str, values: dict[str, float], sequence: str = "", classes: tuple[str, ...] = ()) -> Row[None]:
    return Row(id_, values, sequence, classes, evidence=None)


def test_a_frame_has_j_f_and_floors() -> None:
    values = PROTOCOL.values(TRUTH, segmentation([square()]))
    assert list(values) == ["J", "F", "J centred ellipse", "J whole image"]
    assert (values["J"], values["F"]) == (1, 1)
    assert values["J whole image"] == square().mean()


def test_f_looks_at_contours_only() -> None:
    hollow = square() & ~square(26, 36, 28)
    values = PROTOCOL.values(TRUTH, segmentation([hollow]))
    precision = (
        contour(square()).sum() / contour(hollow).sum()
    )  # the inner contour is wrong, the outer one is all found
    assert values["F"] == pytest.approx(2 * precision / (precision + 1))
    assert values["J"] == pytest.approx(hollow.sum() / square().sum())


def test_g96_void_is_left_out() -> None:
    wrong = square(70, 80, 20)
    assert PROTOCOL.values(TRUTH, segmentation([square(), wrong]))["J"] < 1
    values = PROTOCOL.values(Truth(square(), list, wrong), segmentation([square(), wrong]))
    assert (values["J"], values["F"]) == (1, 1)


def test_statistics_are_taken_per_video() -> None:
    first = [row(f"a/{i}", {"J": value, "F": 0.4, "J whole image": 0.1}, "a") for i, value in enumerate([1, 1, 0, 0])]
    second = [row("b/0", {"J": 0.6, "F": 0.8, "J whole image": 0.3}, "b")]
    scores = {score.name: score for score in PROTOCOL.conclude([*first, *second])}
    assert list(scores)[:3] == ["J mean", "J recall", "J decay"]
    assert scores["J mean"].value == pytest.approx((0.5 + 0.6) / 2)
    assert scores["J recall"].value == pytest.approx((0.5 + 1) / 2)
    assert scores["J decay"].value == pytest.approx((1 + 0) / 2)
    assert scores["F mean"].value == pytest.approx(0.6)
    assert scores["J&F"].value == pytest.approx(((0.5 + 0.4) / 2 + (0.6 + 0.8) / 2) / 2)
    assert (scores["J whole image"].value, scores["J whole image"].kind) == (pytest.approx(0.2), "floor")
    assert all(score.units == 2 and score.unit == "sequences" for score in scores.values())
