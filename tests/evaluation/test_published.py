"""Published tables again: every table runs, and says of every number whether it is comparable."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dinoseg.evaluation import make_protocol
from dinoseg.methods import make_method
from dinoseg.options import EvaluateOptions
from tests.evaluation.sets import SIZE, polygon, square, write_coco, write_davis, write_pairs, write_voc_boxes
from tests.evaluation.sets import write_voc as write_masks

bench = pytest.importorskip("published", reason="the benchmarks are in the repository only")
reports = pytest.importorskip("reports")
COLUMNS = bench.COLUMNS


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures, or a little more, of every data set."""
    root = tmp_path_factory.mktemp("data")
    write_voc_boxes(root / "VOC2007", [(31, 21, 70, 60), (1, 1, 128, 96)])
    write_masks(root / "VOC2012", [8 * square(), 15 * np.ones(SIZE)], [square(), np.ones(SIZE)])
    for name in ("ECSSD", "DUTS-TE", "DUT-OMRON"):
        write_pairs(root / name, 2)
    write_davis(root / "DAVIS", {"a": 4})
    (root / "DAVIS" / "ImageSets" / "2016").rename(root / "DAVIS" / "ImageSets" / "2017")
    write_coco(root / "coco", [polygon(0, 1, 20, 30, 40), polygon(1, 2, 10, 10, 60)], 2)
    return root


@pytest.mark.parametrize("name", bench.TABLES)
def test_every_table_runs_end_to_end(
    name: str, data: Path, small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [name, "--data", str(data), "--model", str(small_model), "-o", str(tmp_path / "out")]
    bench.main(words)
    page, content = capsys.readouterr().out, json.loads((tmp_path / "out.json").read_text())
    table, values = bench.TABLES[name], content["values"]
    assert len(values) == sum(len(value) for line in table.lines for value in line.values.values())
    assert str(tmp_path) not in page + json.dumps(content)
    assert str(small_model.parent) not in page + json.dumps(content)
    measured = [value for value in values if value["ours"] is not None]
    assert measured
    told = f"{len(measured)} are not comparable and {len(values) - len(measured)} not measured"
    assert f"**Of {len(values)} values {told}**" in page
    assert f"- network: small.safetensors, sha256 {content['sha256']['small.safetensors']}" in page
    for value in values:
        there = value["data"] != "VOC12 trainval" and value["paper"] != "DINO-seg (in LOST, Table 1)"
        assert (value["ours"] is not None) == there, value  # the small network has no head 4
    assert all("small.safetensors instead of dino-vit" in " ".join(value["obstacles"]) for value in measured)
    assert all(", not " in value["obstacles"][0] for value in measured)  # so few pictures


def test_what_was_measured_is_not_measured_again(
    data: Path, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["dino-fig4", "--data", str(data), "--model", str(small_model), "-o", str(tmp_path / "out")]
    bench.main(words)
    first = capsys.readouterr().out

    def fail(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(reports, "measured", fail)
    bench.main(words)
    assert capsys.readouterr().out == first
    with pytest.raises(AssertionError, match="again"):
        bench.main([*words, "--pictures", "1"])


def test_a_network_of_a_papers_shape_on_all_pictures_is_comparable(
    data: Path, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(bench.SHAPES, "dino-vits8", ("dinov2", 8, 32))
    monkeypatch.setitem(bench.DATA, "VOC12 val", replace(bench.DATA["VOC12 val"], pictures=2))
    bench.main(["dino-fig4", "--data", str(data), "--model", str(small_model), "-o", str(tmp_path / "out")])
    page = capsys.readouterr().out
    assert "not comparable" not in page
    values = json.loads((tmp_path / "out.json").read_text())["values"]
    assert [value["published"] for value in values] == [44.7, 44.7, 21.8, 21.8]
    assert {value["model"] for value in values} == {"dino-vits8"}
    cells = [line for line in page.splitlines() if line.startswith("| ")][-1].split(" | ")
    assert len(cells) == len(COLUMNS)
    assert float(cells[7]) == pytest.approx(values[3]["ours"] - 21.8, abs=0.051)


def test_without_any_data_it_says_what_must_lie_where(small_model: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"ECSSD: .*ECSSD is not there\nDUTS-TE: .* DUTS-TE or DUTS or duts is"):
        bench.main(["saliency", "--data", str(tmp_path), "--model", str(small_model), "-o", str(tmp_path / "out")])


@pytest.mark.parametrize("name", bench.TABLES)
def test_options_and_marks_of_every_line_are_known(name: str) -> None:
    make_protocol(bench.TABLES[name].protocol)
    for line in bench.TABLES[name].lines:
        EvaluateOptions(**line.options)
        assert line.model in bench.SHAPES
        assert line.mark in bench.MARKS
        assert all(len(values) == len(line.scores) and place in bench.DATA for place, values in line.values.items())


@pytest.mark.parametrize("name", ["corloc", "saliency", "maskcut-ap"])
def test_papers_networks_are_asked_for_keys_and_others_for_what_suits_them(name: str) -> None:
    for line in bench.TABLES[name].lines:
        method = make_method(line.options["method"], line.options.get("param", ()))
        if line.options["method"] == "dino-seg":  # looks at attention alone
            continue
        assert "key" in method.facets("dino"), line.paper
        assert "key" not in method.facets("dinov2"), line.paper


def test_what_is_not_certain_is_said(tmp_path: Path) -> None:
    outcome = bench.Outcome("DSS", "VOC07", "m", "w", "CorLoc", 62.7, "U", None, None, ("not measured: x",))
    assert bench.row(outcome) == "| DSS | VOC07 | m | w | CorLoc | 62.7 (unverified) |  |  | not measured: x |"
