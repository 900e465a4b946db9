"""The benchmark of label propagation: a dense step gives the same, and its pages tell what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.evaluation.sets import write_davis

bench = pytest.importorskip("propagation", reason="the benchmarks are in the repository only")


def test_a_dense_step_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "GRID", (15, 17))  # some pairs are beyond the neighbourhood
    monkeypatch.setattr(bench, "peak", lambda way: {"ours": 2.0, "dense": 30.0}[way])
    with torch.inference_mode():
        found = bench.cost(3)
    assert found["difference"] < 1e-5
    page = bench.cost_page(found)
    assert "15 x 17 patches, 384 dimensions, 8 frames of context, 3 rounds" in page
    assert "| 15.0 |" in page.splitlines()[-1]


def test_nothing_is_timed_where_the_two_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "GRID", (4, 5))
    monkeypatch.setitem(bench.STEPS, "ours", lambda *inputs: bench.dense(*inputs) + 1e-4)
    with pytest.raises(SystemExit, match="nothing is timed"):
        bench.cost(1)


def test_quality_is_told_by_network_and_video(
    small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_davis(tmp_path / "DAVIS", {"a": 3, "b": 4})
    words = ["quality", "--data", str(data), "--models", str(small_model), "--size", "64", "-o", str(tmp_path / "out")]
    bench.main(words)
    page, content = capsys.readouterr().out, json.loads((tmp_path / "out.json").read_text())
    assert "7 frames of 2 videos; " in page
    assert str(tmp_path) not in page + json.dumps(content)
    scores = {(x["row"], x["column"]): x["value"] for x in content["scores"]}
    assert scores["first mask kept (floor)", "J&F"] == 1  # nothing moves
    videos = content["facts"]["small"]["videos"]
    assert set(videos) == {"a", "b"}
    assert sum(videos.values()) / 2 == pytest.approx(scores["small", "J&F"])


def test_without_data_or_output_it_says_what_to_give() -> None:
    for words in (["cost"], ["quality", "-o", "x"]):
        with pytest.raises(SystemExit):
            bench.main(words)
