"""What `evaluate` asks for, says and returns; the scores are tested in tests/evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dinoseg.cli import run
from dinoseg.errors import DatasetError
from dinoseg.evaluation import PROTOCOLS
from dinoseg.options import EvaluateOptions
from tests.evaluation.sets import square, write_mask, write_pairs, write_voc, write_voc_boxes

pytestmark = pytest.mark.usefixtures("nothing_is_looked_for")


class Report:
    """As much of a report as the command looks at."""

    def __init__(
        self, images: int = 3, failed: int = 0, reason: str = "truncated", scores: tuple[str, ...] = ()
    ) -> None:
        self.images, self.failed, self.scores = images, (("a.jpg", reason),) * failed, scores

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


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (Report(3, 2), "2 of 5 pictures failed, truncated (2); no score: --partial gives scores over the others."),
        (Report(3, 1, scores=("IoU",)), "1 of 4 pictures failed, truncated (1); the scores are partial."),
        (
            Report(0, 2),
            "No score: all 2 pictures failed, truncated (2); `dinoseg segment` of a.jpg says what is wrong with it.",
        ),
        (
            Report(0, 2, "missing_prediction"),
            "No score: all 2 pictures failed, missing_prediction (2); a prediction has its picture's name, a.png or "
            "a.jpg.png.",
        ),
    ],
)
def test_failures_are_told_on_stderr(
    evaluation: Evaluation, capsys: pytest.CaptureFixture[str], report: Report, told: str
) -> None:
    evaluation.report = report
    run(["evaluate", "foreground", "DUTS", "-q"])
    assert capsys.readouterr().err == f"{told}\n"


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


# Three wrong set-ups, and what is printed.


def missing_list(root: Path) -> list[str]:
    write_voc_boxes(root / "VOC2007", [(1, 1, 9, 9)])
    return ["corloc", str(root / "VOC2007"), "--image-set", "Main/test"]


def wrong_size(root: Path) -> list[str]:
    write_pairs(root / "set", 1)
    write_mask(root / "set" / "masks" / "photo_000.png", 255 * square(0, 0, 9, (50, 60)))
    return ["foreground", str(root / "set"), "--method", "prior"]


def half_a_download(root: Path) -> list[str]:
    write_voc(root / "VOC2012", [8 * square()] * 3)
    (root / "VOC2012" / "SegmentationClass" / "photo_001.png").unlink()
    (root / "VOC2012" / "JPEGImages" / "photo_002.jpg").unlink()
    return ["foreground", str(root / "VOC2012")]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            missing_list,
            "ImageSets/Main/test.txt is missing from ROOT/VOC2007: it must lie there, and is in "
            "VOCtrainval_06-Nov-2007.tar or VOCtest_06-Nov-2007.tar (host.robots.ox.ac.uk/pascal/VOC/voc2007), "
            "unpacked to VOCdevkit/VOC2007. There are Main/trainval.",
        ),
        (
            wrong_size,
            "ROOT/set/masks/photo_000.png is 60 x 50 px, but ROOT/set/images/photo_000.jpg 128 x 96: masks are never "
            "resized. Take both as their makers pack them.",
        ),
        (
            half_a_download,
            "2 of 3 pictures of VOC2012 cannot be scored. Not there: ROOT/VOC2012/SegmentationClass/photo_001.png, "
            "ROOT/VOC2012/JPEGImages/photo_002.jpg. They are in VOCtrainval_11-May-2012.tar "
            "(host.robots.ox.ac.uk/pascal/VOC/voc2012), unpacked to VOCdevkit/VOC2012. Is it half a download? "
            "--partial scores the others.",
        ),
    ],
)
def test_a_wrong_set_up_is_told_in_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: Callable[[Path], list[str]], told: str
) -> None:
    assert run(["evaluate", *wrong(tmp_path), "-q"]) == 2
    assert capsys.readouterr() == ("", f"dinoseg: {told}\n".replace("ROOT", str(tmp_path)))
