"""What `evaluate` asks for, says and returns; the scores are tested in tests/evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dinoseg.cli import run
from dinoseg.errors import DatasetError
from dinoseg.evaluation import PROTOCOLS
from dinoseg.options import EvaluateOptions


class Report:
    """As much of a report as the command looks at."""

    def __init__(self, images: int = 3, failed: int = 0) -> None:
        self.images, self.failed = images, (("a.jpg", "truncated"),) * failed

    def to_markdown(self) -> str:
        return "# foreground\n\n| score | 0.7 |\n"

    def to_json(self) -> dict[str, Any]:
        return {"protocol": "foreground", "scores": [0.7]}


class Evaluation:
    """Stands in the place of ``run``."""

    def __init__(self) -> None:
        self.asked: tuple[Any, ...] = ()
        self.report = Report()

    def __call__(self, *asked: Any) -> Report:
        *self.asked, progress = asked
        progress(1, 3)
        progress(3, 3)
        return self.report


@pytest.fixture
def evaluation(monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    evaluation = Evaluation()
    monkeypatch.setattr("dinoseg.evaluation.run.run", evaluation)
    return evaluation


def test_the_options_reach_the_evaluation(evaluation: Evaluation, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "foreground", "DUTS", "--method", "tokencut", "--split", "odd", "-o", "report"]) == 0
    options = EvaluateOptions(method="tokencut", split="odd", output=Path("report"))
    assert evaluation.asked == ["foreground", Path("DUTS"), options]
    assert capsys.readouterr() == ("# foreground\n\n| score | 0.7 |\n", "")


def test_pictures_and_masks_may_lie_apart(evaluation: Evaluation) -> None:
    assert run(["evaluate", "foreground", "images", "masks"]) == 0
    assert evaluation.asked == ["foreground", (Path("images"), Path("masks")), EvaluateOptions()]


def test_json_is_one_document(evaluation: Evaluation, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "foreground", "DUTS", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"protocol": "foreground", "scores": [0.7]}


@pytest.mark.parametrize(
    ("images", "failed", "code"),
    [
        (3, 0, 0),
        (3, 1, 3),
        (0, 1, 4),
    ],
)
def test_exit_codes(evaluation: Evaluation, images: int, failed: int, code: int) -> None:
    evaluation.report = Report(images, failed)
    assert run(["evaluate", "foreground", "DUTS"]) == code


def test_data_that_is_not_as_the_protocol_says_is_wrong_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*asked: Any) -> None:
        raise DatasetError("DUTS has no layout that dinoseg knows.\n  images/ and masks/")

    monkeypatch.setattr("dinoseg.evaluation.run.run", refuse)
    assert run(["evaluate", "foreground", "DUTS"]) == 2
    assert capsys.readouterr().err == "dinoseg: DUTS has no layout that dinoseg knows.\n    images/ and masks/\n"


def test_e65_an_unknown_protocol_is_answered_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "forground", "DUTS"]) == 2
    err = capsys.readouterr().err
    assert "Did you mean foreground?" in err
    assert all(name in err for name in PROTOCOLS)
