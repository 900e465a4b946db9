"""What `train-head` asks for, says and returns; the training itself is tested in tests/heads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dinoseg.cli import run
from dinoseg.errors import TrainingError, TruncatedImage
from dinoseg.heads import HeadReport
from dinoseg.options import TrainHeadOptions
from dinoseg.types import Failure

pytestmark = pytest.mark.usefixtures("nothing_is_looked_for")

LINE = "train-head photos more.jpg -o head.safetensors --model net.pth --labels masks --photographs 50 --seed 3"


def report(failed: int = 0) -> HeadReport:
    failures = tuple(Failure(f"{number}.jpg", TruncatedImage("ends early")) for number in range(failed))
    return HeadReport("head.safetensors", "net.pth", 10, 7, 2, 1, 0.25, 1.5, failures)


def test_the_options_reach_the_training_and_the_file_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(
        "dinoseg.heads.run_head_training",
        lambda images, options: asked.update(options=options, images=images) or report(),
    )
    assert run(LINE.split()) == 0
    assert asked.pop("images") == ["photos", "more.jpg"]
    assert asked["options"] == TrainHeadOptions(
        output=Path("head.safetensors"), model="net.pth", labels=Path("masks"), photographs=50, seed=3
    )
    out, err = capsys.readouterr()
    assert out == "head.safetensors\n"
    assert (
        "7 of 10 photographs, 2 of them labelled (1 labels turned upright with their photographs, by EXIF); loss" in err
    )


def test_json_is_one_document_and_names_what_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dinoseg.heads.run_head_training", lambda images, options: report(failed=1))
    assert run([*LINE.split(), "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["used"], told["labelled"]) == ("head.safetensors", 7, 2)
    assert [failure["id"] for failure in told["failed"]] == ["0.jpg"]


def test_too_few_masks_are_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(images: Any, options: Any) -> None:
        raise TrainingError("2 of 9 photographs have a mask worth learning from")

    monkeypatch.setattr("dinoseg.heads.run_head_training", refuse)
    assert run(LINE.split()) == 4
    assert "2 of 9" in capsys.readouterr().err
