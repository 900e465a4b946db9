"""What `train` asks for, says and returns; training itself is tested in tests/training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dinoseg.cli import run
from dinoseg.errors import NonFiniteLoss, OtherProcessEnded, TruncatedImage
from dinoseg.options import TrainOptions
from dinoseg.training import TrainReport
from dinoseg.types import Failure

pytestmark = pytest.mark.usefixtures("nothing_is_looked_for")

LINE = "train photos more.jpg -o run --epochs 3 --warmup-epochs 1 --weight-decay 0.1 0.2 --no-norm-last-layer --resume"


def report(failed: int = 0) -> TrainReport:
    failures = tuple(Failure(f"{number}.jpg", TruncatedImage("ends early")) for number in range(failed))
    return TrainReport(model=Path("run/model.safetensors"), steps=6, loss=4.25, photographs=10, failed=failures)


def test_the_options_reach_training_and_the_model_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(
        "dinoseg.training.run_training",
        lambda images, options: asked.update(options=options, images=images) or report(),
    )
    assert run(LINE.split()) == 0
    assert asked.pop("images") == ("photos", "more.jpg")
    assert asked["options"] == TrainOptions(
        output=Path("run"), epochs=3, warmup_epochs=1, weight_decay=(0.1, 0.2), norm_last_layer=False, resume=True
    )
    out, err = capsys.readouterr()
    assert out == "run/model.safetensors\n"
    assert "6 steps on 10 photographs" in err
    assert "4.250" in err


def test_json_is_one_document(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("dinoseg.training.run_training", lambda images, options: report(failed=1))
    assert run([*LINE.split(), "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == {
        "model": "run/model.safetensors",
        "steps": 6,
        "loss": 4.25,
        "photographs": 10,
        "failed": [{"id": "0.jpg", "reason": "truncated", "message": "ends early"}],
    }


def test_of_several_processes_one_speaks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("dinoseg.training.run_training", lambda images, options: replace(report(failed=1), first=False))
    assert run([*LINE.split(), "--json"]) == 3
    assert capsys.readouterr() == ("", "")


def test_photographs_that_could_not_be_read_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dinoseg.training.run_training", lambda images, options: report(failed=30))
    assert run(LINE.split()) == 3
    err = capsys.readouterr().err
    assert "failed: 0.jpg: ends early [truncated]" in err
    assert "10 more: run/broken.jsonl" in err


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (NonFiniteLoss("loss is nan at step 7; run/checkpoints holds step 4"), 4, "holds step 4"),
        (KeyboardInterrupt(), 130, "--resume"),
        (OtherProcessEnded("and says why"), 4, ""),
    ],
)
def test_a_run_that_ends_early(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, told: str
) -> None:
    def end(images: Any, options: Any) -> None:
        raise error

    monkeypatch.setattr("dinoseg.training.run_training", end)
    assert run(LINE.split()) == code
    assert told in capsys.readouterr().err


def test_a_list_may_take_the_place_of_images_and_one_of_them_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(
        "dinoseg.training.run_training",
        lambda images, options: asked.update(options=options, images=images) or report(),
    )
    assert run(["train", "--from-file", "list.txt", "-o", "run"]) == 0
    assert (asked["images"], asked["options"].from_file) == ((), Path("list.txt"))
    assert run(["train", "-o", "run"]) == 2
    assert "--from-file" in capsys.readouterr().err


def test_an_empty_folder_is_not_a_matter_of_batches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert run(["train", str(tmp_path / "empty"), "-o", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.startswith("dinoseg: there is no photograph")
