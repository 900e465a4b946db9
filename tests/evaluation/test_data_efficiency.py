"""The benchmark of how many photographs are enough: sets within each other, and figures that say what they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers import write_images

bench = pytest.importorskip("data_efficiency", reason="the benchmarks are in the repository only")


def head_table(path: Path) -> Path:
    line = {"set": "DUTS", "half": "odd"}
    lines = [
        line | {"method": "attention-cut", "IoU": 0.75, "interval": [0.0, 0.0]},
        line | {"method": "100 photographs", "IoU": 0.8, "interval": [0.03, 0.06]},
        line | {"method": "100 photographs", "IoU": 0.1, "interval": [0.0, 0.0], "half": "even"},
    ]
    path.write_text(json.dumps({"tables": {"by photographs": lines}}))
    return path


def test_each_set_is_within_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "COUNTS", (2, 4, 100))
    write_images(tmp_path, 6)
    sets = bench.sets_of([tmp_path])
    assert list(sets) == [2, 4, 6]
    assert set(sets[2]) < set(sets[4]) < set(sets[6])
    assert len(set(sets[6])) == 6


def test_all_points_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "photos", 3)
    monkeypatch.setattr(bench, "compressed", lambda *_: tmp_path)
    monkeypatch.setattr(bench, "scored", lambda *asked: (0.5, (0.4, 0.6)))
    given = ["--duts", "duts", "--head", str(head_table(tmp_path / "head.json")), "--work", str(tmp_path / "work")]
    bench.main(["teacher", str(tmp_path / "photos"), *given, "-o", str(tmp_path / "other_name")])
    page = (tmp_path / "other_name.md").read_text()
    assert "| compressed, attention | 3 | 0.500 [0.400, 0.600] |" in page
    assert "| head on the built-in model | 100 | 0.800 [0.780, 0.810] |" in page
    assert "their intervals are of what it gains" in page
    (picture,) = (line.split("(")[1].rstrip(")") for line in page.splitlines() if line.startswith("!["))
    assert (tmp_path / picture).exists()
    assert str(tmp_path) not in page
