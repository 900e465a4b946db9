"""The benchmark's table, on sets of a few pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.sets import SIZE, square, write_davis, write_pairs, write_voc

jaccard = pytest.importorskip("benchmarks.jaccard", reason="the benchmarks are in the repository only")


def test_the_table_has_every_row_half_and_set_that_is_there(
    tmp_path: Path, small_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "data" / "duts", 4)
    write_voc(tmp_path / "data" / "VOC2012", [8 * square(), np.full(SIZE, 15)])
    write_davis(tmp_path / "full davis", {"a": 3, "b": 3})
    words = ["--data", str(tmp_path / "data"), "--davis", str(tmp_path / "full davis"), "--davis-every", "2"]
    words += ["--models", str(small_model), "--methods", "attention", "attention-cut"]
    words += ["-o", str(tmp_path / "out" / "table")]
    jaccard.main(words)
    page = capsys.readouterr().out
    assert page == (tmp_path / "out" / "table.md").read_text()
    assert "| odd | DUTS (2 images) | VOC foreground (1 images) | DAVIS J (1 sequences) |" in page
    assert "| all | DUTS (4 images) | VOC foreground (2 images) | DAVIS J (2 sequences) |" in page
    rows = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| ")][2:10]
    assert rows == [
        "| centred ellipse (floor)",
        "| whole image (floor)",
        "| prior",
        "| random weights, attention (floor)",
        "| random weights, attention-cut (floor)",
        "| small, attention",
        "| small, attention-cut",
        "| small, ORACLE best head (60 % mass)",
    ]
    assert str(tmp_path) not in page

    content = json.loads((tmp_path / "out" / "table.json").read_text())
    assert str(tmp_path) not in json.dumps(content)
    found = {(x["row"], x["column"], x["half"]): x["value"] for x in content["scores"]}
    assert len(found) == 8 * 3 * 3
    assert found["whole image (floor)", "DUTS", "odd"] == pytest.approx(square().mean())
    for row in ("prior", "small, ORACLE best head (60 % mass)"):
        even, odd, both = (found[row, "DUTS", half] for half in ("even", "odd", "all"))
        assert both == pytest.approx((even + odd) / 2)


def test_without_data_it_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        jaccard.main(["--data", str(tmp_path), "-o", str(tmp_path / "x")])
