from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from dinoseg.cli import run
from dinoseg.cli.samples import SAMPLES


def test_colour_photographs_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "photos"
    assert run(["samples", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted(sample.name for sample in SAMPLES)
    for path in folder.iterdir():
        with Image.open(path) as image:
            assert image.format in ("JPEG", "PNG")
            assert image.mode == "RGB"
            assert min(image.size) >= 300
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(SAMPLES)
    assert all(sample.credit in line for sample, line in zip(SAMPLES, lines, strict=True))


def test_json_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["samples", str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["file"] for row in rows] == [str(tmp_path / sample.name) for sample in SAMPLES]
    assert all(row["credit"] for row in rows)


def test_a_second_run_is_fine(tmp_path: Path) -> None:
    assert run(["samples", str(tmp_path)]) == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert run(["samples", str(tmp_path)]) == 0
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_b34_a_file_in_the_place_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert run(["samples", str(tmp_path / "file")]) == 2
    assert "name another folder" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_another_file_of_that_name_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    mine = tmp_path / SAMPLES[-1].name  # the last, so that all are looked at before one is written
    mine.write_bytes(b"my own") if kind == "file" else mine.mkdir()
    assert run(["samples", str(tmp_path)]) == 2
    assert list(tmp_path.iterdir()) == [mine]
    assert kind == "folder" or mine.read_bytes() == b"my own"
    assert SAMPLES[-1].name in capsys.readouterr().err
