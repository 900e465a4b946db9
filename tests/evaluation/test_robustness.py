"""The benchmark of robustness, on a few pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dinoseg.evaluation.report import Row
from dinoseg.images.corruptions import CORRUPTIONS
from tests.evaluation.sets import write_pairs

bench = pytest.importorskip("robustness", reason="the benchmarks are in the repository only")


def test_the_table_has_every_method_and_corruption(
    tmp_path: Path, small_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_pairs(tmp_path / "duts", 5)
    words = [str(data), "--split", "odd", "--methods", "attention", "tokencut", "--model", str(small_model)]
    bench.main([*words, "-o", str(tmp_path / "out" / "table")])
    page, told = capsys.readouterr().out, (tmp_path / "out" / "table.json").read_text()
    rows = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| ")][2:]
    assert rows == [
        [f"| {method}", bench.in_words(name)] for method in ("attention", "tokencut") for name in CORRUPTIONS
    ]
    assert "2 pictures, a small sample, of duts" in page
    assert "Partial" not in page
    assert str(tmp_path) not in page + told
    assert str(small_model.parent) not in page + told
    assert (tmp_path / "out" / "table.png").stat().st_size > 0
    scores = json.loads(told)["scores"]
    assert len(scores) == 1 + 2 * len(bench.CONDITIONS)
    assert len({score["value"] for score in scores}) > 10  # conditions are not all the same picture
    assert all(
        score["change"]["value"] == 0 for score in scores if score["column"] == "severity 0" and "change" in score
    )


def test_a_picture_that_cannot_be_read_is_named_and_counts_nowhere(
    tmp_path: Path, small_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_pairs(tmp_path / "duts", 3)
    (data / "images" / "photo_001.jpg").write_bytes(b"no picture")
    bench.main([str(data), "--methods", "attention", "--model", str(small_model), "-o", str(tmp_path / "table")])
    assert "**Partial**, attention: without photo_001.jpg (not_an_image)" in capsys.readouterr().out
    content = json.loads((tmp_path / "table.json").read_text())
    assert content["failed"] == {"attention": [["photo_001.jpg", "not_an_image"]]}
    assert {score["units"] for score in content["scores"]} == {2}


def test_a_change_is_against_the_same_picture_untouched_and_averaged_over_severities() -> None:
    rows = {condition: rows_with(0.8 - 0.1 * condition.severity) for condition in bench.CONDITIONS}
    scores = {condition: bench.Score("IoU", 0.0, None, 2, "images", "label-free") for condition in rows}
    found = bench.Measured({}, rows, scores, scores[bench.CLEAN], [])
    assert found.change(bench.Condition("jpeg", 2)).value == pytest.approx(-0.2)
    assert found.mean_change("jpeg").value == pytest.approx(-0.3)
    assert found.mean_change("resolution").value == pytest.approx(-0.15)
    assert bench.is_sure(found.change(bench.Condition("jpeg", 1)))
    assert not bench.is_sure(found.change(bench.CLEAN))


def row(id_: str, values: dict[str, float], sequence: str = "", classes: tuple[str, ...] = ()) -> Row[None]:
    return Row(id_, values, sequence, classes, evidence=None)


def rows_with(value: float) -> list[Row[None]]:
    return [
        row("a", {"IoU": value}),
        row("b", {"IoU": value + 0.1}),
        row("without objects", {}),
    ]


def test_severities_of_a_panel_are_in_its_order() -> None:
    assert bench.CONDITIONS[0] == bench.CLEAN
    names = np.array([condition.name for condition in bench.CONDITIONS[1:]])
    assert all((names == name).sum() == len(x.strengths) for name, x in CORRUPTIONS.items())
