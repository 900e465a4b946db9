"""What `compare` says; the numbers are tested in tests/evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dinoseg.cli import run

HEAD = "id,status,sequence,classes,predicted,IoU\n"


@pytest.fixture
def reports(tmp_path: Path) -> list[str]:
    """Folders of two reports over two pictures."""
    for name, values in (("a", (0.25, 0.5)), ("b", (0.5, 0.75))):
        (tmp_path / name).mkdir()
        lines = "".join(f"{index}.jpg,scored,,,,{value}\n" for index, value in enumerate(values))
        (tmp_path / name / "scores.csv").write_text(HEAD + lines)
    return [str(tmp_path / "a"), str(tmp_path / "b")]


def test_a_table_or_json(reports: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", *reports]) == 0
    assert "| IoU | +0.250 | +0.250 .. +0.250 | 2 images |" in capsys.readouterr().out.splitlines()
    assert run(["compare", *reports, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found == {"name": "IoU", "value": 0.25, "interval": [0.25, 0.25], "units": 2, "unit": "images"}


def test_what_is_no_report_is_exit_2(reports: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", reports[0], "nowhere"]) == 2
    assert capsys.readouterr().err == (
        "dinoseg: nowhere/scores.csv is not there: name a folder that "
        "`dinoseg evaluate PROTOCOL DATA --output FOLDER` has filled.\n"
    )
