"""`group` on a small random network: what a terminal sees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dinoseg.cli import run
from tests.helpers import write_images
from tests.networks import save_teacher


@pytest.fixture
def group(tmp_path: Path):
    """The command on four photographs, with more arguments."""
    save_teacher(tmp_path / "small.safetensors")
    write_images(tmp_path / "photos", 4)
    words = ["group", str(tmp_path / "photos"), "-o", str(tmp_path / "out"), "--size", "64"]
    return lambda *more: run([*words, "--model", str(tmp_path / "small.safetensors"), *more])


def test_results_on_stdout_counts_on_stderr(group, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert group("--clusters", "2") == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == [
        "semantic",
        "semantic-overlays",
        "clusters.json",
        "clusters.png",
    ]
    assert all(Path(line.split()[1]).exists() for line in out.splitlines())
    assert "4 photographs\n" in err
    assert "regions in 2 groups\n" in err


def test_fewer_groups_than_asked_for_are_told(group, capsys: pytest.CaptureFixture[str]) -> None:
    assert group("--clusters", "99") == 0
    assert "groups, fewer than --clusters 99\n" in capsys.readouterr().err


def test_json_and_a_bad_file(group, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no image")
    assert group("--json") == 3
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["photographs"] == 4
    assert [failure["id"] for failure in told["failed"]] == ["bad.jpg"]
    assert {"regions", "bic_by_count", "groups", "results"} <= told.keys()
    assert "failed: bad.jpg: " in err


def test_b24_no_image_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert run(["group", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]) == 4
    assert capsys.readouterr().err.startswith(f"No image found in {tmp_path / 'empty'}. In folders dinoseg looks for .")


def test_nothing_named_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["group", "-o", "out"]) == 2
    assert "--from-file" in capsys.readouterr().err
