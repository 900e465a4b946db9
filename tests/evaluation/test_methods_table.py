"""The benchmark of methods: its tables, its cache, on sets of a few pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dinoseg.backbone.zoo import load
from dinoseg.evaluation.metrics import instances
from dinoseg.evaluation.report import Row
from tests.evaluation.sets import SIZE, polygon, square, write_coco, write_davis, write_pairs, write_voc

methods = pytest.importorskip("methods", reason="the benchmarks are in the repository only")
tables = pytest.importorskip("method_tables", reason="the benchmarks are in the repository only")

FEW = ["--methods", "attention-cut", "kmeans", "maskcut", "prior"]
DRAWS = 3  # the shortest bootstrap of AP, which is slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_pairs(root / "duts", 4)
    write_voc(root / "VOC2012", [8 * square(), np.full(SIZE, 15)], [square(), square()])
    write_davis(root / "DAVIS", {"a": 5, "b": 5})
    write_coco(root / "coco", [polygon(picture, 1, 20, 30, 40) for picture in range(4)], 4)
    return root


@pytest.fixture(scope="module")
def made(data, small_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    words = ["--data", str(data), "--models", "none", str(small_model), "--cache", str(folder / "cache"), *FEW]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instances, "RESAMPLES", DRAWS)
        methods.main([*words, "-o", str(folder / "table")])
    return folder


def lines_of(made):
    content = json.loads((made / "table.json").read_text())
    return {(x["half"], x["model"], x["method"], x["refine"]): x for x in content["scores"]}


def test_the_page_has_every_set_half_and_method(made):
    page = (made / "table.md").read_text()
    counts = "DUTS IoU (2) | DUTS max F (2) | VOC IoU (1) | VOC CorLoc (1) | DAVIS J (1) | COCO IoU (2)"
    for half in ("odd", "even"):
        assert f"| {half} half | method | refine | {counts} | COCO AP50 (2) | COCO AP (2) | ms | images/s |" in page
    lines = lines_of(made)
    assert {key[1:] for key in lines} == {
        *(("no network", floor, "") for floor in ("centred ellipse", "whole image")),
        *(("no network", "prior", name) for name in ("guided", "none")),
        *(("small", method, name) for method in ("attention-cut", "kmeans", "maskcut") for name in ("guided", "none")),
        *(("small", method, name) for method in ("attention-cut", "kmeans") for name in ("bilateral", "crf")),
        ("small", "ORACLE best head (60 % mass)", ""),
    }
    assert "VOC IoU" not in lines["odd", "small", "kmeans", "crf"]  # slow refinements: DUTS alone


def test_floors_are_what_geometry_says(made):
    whole = lines_of(made)["odd", "no network", "whole image", ""]
    share = square().mean()
    assert whole["DUTS IoU"][0] == pytest.approx(share, abs=1e-4)
    assert whole["DUTS max F"][0] == pytest.approx(1.3 * share / (0.3 * share + 1), abs=1e-4)
    assert whole["COCO IoU"][0] == pytest.approx(share, abs=1e-4)
    assert whole["COCO AP50"][0] == 0
    assert whole["VOC IoU"] == [1.0]  # the second picture is all person; one picture has no interval
    assert "ms" not in whole


def test_the_default_is_compared_with_every_method_on_its_network(made):
    content, lines = json.loads((made / "table.json").read_text()), lines_of(made)
    found = {(x["model"], x["method"]): x for x in content["against"]}
    assert set(found) == {("small", "kmeans"), ("small", "maskcut")}
    own, other = (lines["odd", "small", method, "guided"]["DUTS IoU"][0] for method in ("attention-cut", "kmeans"))
    assert found["small", "kmeans"]["DUTS"][0] == pytest.approx(own - other, abs=2e-4)


def test_nothing_tells_where_it_ran(made, data):
    for name in ("table.md", "table.json"):
        assert str(made) not in (made / name).read_text()
        assert str(data) not in (made / name).read_text()


def test_a_stopped_run_goes_on_where_it_was(made, data, small_model, monkeypatch):
    lost = next((made / "cache" / "small" / "DUTS").iterdir())
    content, again = lost.read_bytes(), []
    lost.unlink()
    real = methods.measured
    monkeypatch.setattr(methods, "measured", lambda *args: again.append(args[-1].id) or real(*args))
    words = ["--data", str(data), "--models", "none", str(small_model), "--cache", str(made / "cache"), *FEW]
    methods.main(words)
    assert [f"{name}.pickle" for name in again] == [lost.name]
    assert len(lost.read_bytes()) == pytest.approx(len(content), rel=0.01)


def test_untrained_weights_are_tried_with_a_few_methods_and_quick_refinements(small_model):
    found = methods.tried("random", load(str(small_model)), "DUTS", list(methods.PARAMETERS))
    assert set(found) == set(methods.FEW)
    assert {refinement for _, names in found.values() for refinement in names} == {"guided", "none"}


def test_a_method_that_does_not_take_the_network_is_left_out(small_model):
    found = methods.tried("any", load(str(small_model)), "COCO", list(methods.PARAMETERS))
    assert "head" not in found  # it learned on another network
    assert "prior" not in found
    assert set(methods.tried("none", None, "COCO", list(methods.PARAMETERS))) == {"prior"}


def test_speed_is_the_median_of_what_was_timed():
    pictures = [tables.Picture(None, 0.1, {("x", "none"): own}, {}) for own in (0.1, 0.3, 5.0)]
    assert tables.speed(("x", "none"), pictures) == pytest.approx((300, 1 / 0.4))
    assert tables.speed(("whole image", ""), pictures) is None


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.5, 0.6, 0.7], "**+0.600 [+0.500, +0.700]**"),  # better on every picture
        ([-0.5, 0.6], "+0.050 [-0.500, +0.600]"),  # undecided
        ([0.25], "+0.250"),  # one pair has no interval
    ],
)
def test_an_advantage_is_bold_where_its_interval_is_on_one_side(values, told):
    left = {str(i): Row(str(i), {"IoU": 0.0}, evidence=None) for i in range(len(values))}
    right = {str(i): Row(str(i), {"IoU": value}, evidence=None) for i, value in enumerate(values)}
    assert tables.advantage(tables.difference("IoU", left, right)) == told


def test_without_data_it_says_what_to_give(tmp_path):
    with pytest.raises(SystemExit):
        methods.main(["--data", str(tmp_path), "--cache", str(tmp_path)])
