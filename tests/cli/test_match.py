"""`match`: a picture and numbers, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dinoseg.cli import run
from tests.helpers import write_images


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    return [str(path) for path in write_images(tmp_path / "photos", 2)]


def test_a_picture_and_json(photos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "pair.png"
    assert run(["match", *photos, "-o", str(output), "--pairs", "3", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(output), str(output.with_suffix(".json"))]
    assert err.endswith(" pairs\n")
    values = json.loads(output.with_suffix(".json").read_text())
    assert 1 <= len(values["pairs"]) <= 3
    assert values["first"]["id"] == "photo_000.jpg"
    before = output.read_bytes()
    assert run(["match", *photos, "-o", str(output), "--device", "cpu"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(["match", *photos, "-o", str(output), "--pairs", "3", "--overwrite", "--json", "--device", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == values["pairs"]
    assert output.read_bytes() == before


def test_a_photograph_without_an_object_ends_it(
    photos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    assert run(["match", photos[0], str(tmp_path / "bad.jpg"), "-o", str(tmp_path / "pair.png")]) == 4
    assert "bad.jpg" in capsys.readouterr().err
    assert not (tmp_path / "pair.png").exists()
