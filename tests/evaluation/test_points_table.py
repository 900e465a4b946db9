"""The benchmark of points: where it clicks, its table, its files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.sets import square, write_voc

bench = pytest.importorskip("benchmarks.points", reason="the benchmarks are in the repository only")


def test_a_click_is_farthest_from_the_edge_and_from_the_frame():
    mask = np.zeros((40, 60), bool)
    mask[:20, :30] = True
    x, y = bench.deepest(mask)
    assert 8 <= x <= 20
    assert 9 <= y <= 10


def test_the_piece_under_a_click():
    mask = np.zeros((4, 6), bool)
    mask[:, :2] = mask[:, 4:] = True
    assert bench.piece_under(mask, (5, 0)).sum() == 8
    assert not bench.piece_under(mask, (3, 0)).any()


def test_the_table_is_of_objects_and_its_interval_of_photographs():
    good, bad = np.full((1, len(bench.ROWS)), 0.9), np.full((3, len(bench.ROWS)), 0.1)
    row = bench.table([good, bad])[bench.POINT]
    assert row["iou"] == pytest.approx(0.3)
    assert (row["low"], row["high"]) == (pytest.approx(0.1), pytest.approx(0.9))
    assert row["above_half"] == 0.25
    assert row["difference"] == 0


def test_it_writes_a_page_and_json(tmp_path: Path):
    data = write_voc(tmp_path / "VOC2012", [8 * square(), 9 * square()], [square()] * 2)
    bench.main(["--data", str(data), "--split", "even", "-o", str(tmp_path / "points")])
    facts = json.loads((tmp_path / "points.json").read_text())
    assert (facts["photographs"], facts["objects"]) == (1, 1)
    assert facts["rows"].keys() == bench.ROWS.keys()
    page = (tmp_path / "points.md").read_text()
    assert page.count("\n|") == 2 + len(bench.ROWS)
    assert str(tmp_path) not in page
