"""The page of all results: tables, bars, and what is said of numbers that do not stand by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dinoseg.evaluation import evaluate
from tests.evaluation.sets import write_pairs

bench = pytest.importorskip("page", reason="the benchmarks are in the repository only")
parts = pytest.importorskip("page_parts")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one data set: whole, partial and failed; and another protocol."""
    root = tmp_path_factory.mktemp("reports")
    data = write_pairs(root / "duts", 4)
    evaluate("foreground", data, method="prior", output=root / "out" / "a")
    evaluate("saliency", data, method="prior", split="odd", output=root / "out" / "d")
    evaluate("foreground", data, predictions=data / "masks", output=root / "out" / "e")
    (data / "images" / "photo_001.jpg").write_bytes(b"no picture")
    evaluate("foreground", data, method="prior", partial=True, output=root / "out" / "b")
    evaluate("foreground", data, method="prior", refine="none", output=root / "out" / "c")
    return root / "out"


def test_reports_are_joined_by_protocol_and_pictures(reports: Path, tmp_path: Path) -> None:
    bench.main([str(reports), "-o", str(tmp_path / "site" / "page.md")])
    page = (tmp_path / "site" / "page.md").read_text()
    heads = [line for line in page.splitlines() if line.startswith("## ")]
    assert heads == [
        "## foreground: duts (images + masks), split all",
        "## saliency: duts (images + masks), split odd",
    ]
    table = [line for line in page.split("## saliency")[0].splitlines() if line.startswith("| ")]
    assert table[0].split(" | ")[1:] == [
        "[1] prior, guided",
        "[2] prior, guided",
        "[3] prior, none, FAILED",
        "[4] predictions masks |",
    ]
    assert [line.split(" | ")[0] for line in table[2:]] == ["| centred ellipse", "| whole image", "| IoU"]
    whole, partial, failed, perfect = table[-1].removesuffix(" |").split(" | ")[1:]
    assert partial.endswith("(PARTIAL)")
    assert "PARTIAL" not in whole
    assert failed == ""
    assert perfect == "1.000 [1.000, 1.000]"
    assert "3 pictures, **1 failed**: photo_001.jpg (not_an_image)" in page
    assert page.count("`dinoseg evaluate foreground duts") == 4
    assert "torch" in page
    assert str(reports.parent) not in page
    for name in ("foreground", "saliency"):
        assert f"![{name}](page-{name}.png)" in page
        assert (tmp_path / "site" / f"page-{name}.png").stat().st_size > 0


def test_bars_are_the_headline_and_its_own_floors(reports: Path) -> None:
    found, _ = parts.read([reports], str)
    foreground, saliency = ([bar for bars in part.bars.values() for bar in bars] for part in found)
    labels = [bar.label for bar in foreground]
    assert labels[:2] == ["centred ellipse", "whole image"]
    assert labels[2:] == ["IoU, [1] prior, guided", "IoU, [2] prior, guided", "IoU, [4] predictions masks"]
    assert [bar.number.remark for bar in foreground] == ["", "", "", "PARTIAL", ""]
    assert [bar.label for bar in saliency] == ["IoU centred ellipse", "IoU whole image", "IoU, [1] prior, guided"]


def test_an_untrained_network_is_a_floor() -> None:
    report = {"model": "random weights in the shape of /home/me/small.safetensors", "size": 320, "options": {}}
    report |= {"scores": [SCORE | {"value": 0.2}]}
    assert parts.made_with(report) == "random weights (floor), 320 px"
    assert parts.bars_of(report, "a", "")["a"].number.kind == "floor"
    assert parts.bars_of(report | {"model": "builtin"}, "a", "")["a"].number.kind == "label-free"


def test_smoothed_masks_are_told_apart() -> None:
    report = {"model": "builtin", "size": 320, "options": {"method": "head", "refine": "guided", "smooth": 2}}
    assert parts.made_with(report) == "head, guided, smooth 2, builtin, 320 px"


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


COMMON = {
    "command": "python benchmarks/x.py /home/me/duts",
    "versions": {"torch": "2.9"},
    "sha256": "ab",
    "commit": "c0",
}
SCORE = {"name": "IoU", "interval": [0.1, 0.3], "units": 3, "unit": "images", "kind": "label-free"}


def test_benchmarks_of_every_form(tmp_path: Path) -> None:
    rows = [("tokencut", "odd"), ("ORACLE best head", "odd"), ("ellipse (floor)", "odd"), ("tokencut", "even")]
    scores = [SCORE | {"row": row, "column": "DUTS", "half": half, "value": 0.2} for row, half in rows]
    write(tmp_path / "halves.json", COMMON | {"scores": scores})
    flat = {
        "half": "odd",
        "model": "m",
        "method": "lost",
        "refine": "none",
        "DUTS IoU": [0.5, 0.4, 0.6],
        "ms": 3.0,
        "DUTS max F": [0.7],
    }
    floor = {"half": "odd", "method": "whole image", "DUTS IoU": [0.2], "VOC IoU": [0.25]}
    write(tmp_path / "methods.json", COMMON | {"scores": [flat, floor]})
    write(tmp_path / "speed.json", COMMON | {"seconds": 3})
    (tmp_path / "speed.md").write_text("# Speed\n")
    write(tmp_path / "list.json", [1])
    bench.main([str(tmp_path), "-o", str(tmp_path / "page.md")])
    page = (tmp_path / "page.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        "# Results",
        "## halves, odd half",
        "## halves, even half",
        "## methods, odd half",
    ]
    first = [line.split(" | ")[0] for line in page.split("## ")[1].splitlines() if line.startswith("| ")]
    assert first[2:] == ["| ellipse (floor)", "| tokencut", "| ORACLE best head"]
    assert "| | DUTS IoU | ORACLE DUTS max F | VOC IoU |" in page
    assert "| whole image | 0.200 |  | 0.250 |\n| m, lost, none | 0.500 [0.400, 0.600] | 0.700 |  |" in page
    assert "`python benchmarks/x.py duts`; commit c0, weights sha256 ab, torch 2.9" in page
    assert "Without scores: [list.json](list.json), [speed.md](speed.md)." in page
    assert "All of it: [halves.json](halves.json).\n" in page
    assert (tmp_path / "page-halves.png").exists()


def test_of_a_table_by_protocol_every_headline_is_drawn_without_the_truth() -> None:
    lines = [("corloc", parts.TRUTH, 1.0), ("corloc", "small", 0.7), ("ap", parts.TRUTH, 1.0), ("ap", "small", 0.1)]
    scores = [{"half": half, "model": row, "first": [value], "second": [value]} for half, row, value in lines]
    found = parts.benchmark("tables", COMMON, list(parts.numbers_of({"scores": scores})))
    drawn = {panel: [bar.label for bar in bars] for part in found for panel, bars in part.bars.items()}
    assert drawn == {"corloc: first": ["small"], "ap: first": ["small"]}


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.5, 0.7], (0, 1)),  # as wide as scores can be
        ([0.02, 0.04], (0, 0.042)),  # too small to be seen
        ([-0.2, 0.5], (-0.21, 1)),  # a decay
    ],
)
def test_how_far_a_panel_reaches(values: list[float], shown: tuple[float, float]) -> None:
    axes = bench.Figure().subplots()
    bench.draw(axes, "x", [parts.Bar(str(value), parts.Number(value)) for value in values])
    assert axes.get_xlim() == pytest.approx(shown)


@pytest.mark.parametrize(
    ("mark", "obstacles", "theirs", "ours"),
    [
        ("V", [], "0.600", "0.550 [0.500, 0.600]"),
        ("U", ["9 pictures"], "0.600 (unverified)", "0.550 [0.500, 0.600] (not comparable)"),
    ],
)
def test_published_values_stand_beside_ours(mark: str, obstacles: list[str], theirs: str, ours: str) -> None:
    value = {"paper": "LOST", "model": "s16", "data": "VOC07", "score": "CorLoc", "published": 60.0, "mark": mark}
    value |= {"ours": 55.0, "interval": [50.0, 60.0], "obstacles": obstacles}
    (part,) = parts.benchmark("corloc", COMMON, list(parts.numbers_of({"values": [value]})))
    cells = {row: str(number) for (row, _), number in part.cells.items()}
    assert cells == {"LOST, s16: published": theirs, "LOST, s16: ours": ours}


@pytest.mark.parametrize(
    ("row", "column", "kind"),
    [
        ("builtin, tokencut", "DUTS IoU", "label-free"),
        ("builtin, tokencut", "ORACLE DUTS max F", "oracle"),
        ("builtin, ORACLE best head", "DUTS IoU", "oracle"),
        ("no network, centred ellipse", "ORACLE DUTS max F", "floor"),
        ("random weights, attention", "DUTS IoU", "floor"),
        ("raw pixels (floor)", "k-NN", "floor"),
    ],
)
def test_kinds_by_name(row: str, column: str, kind: str) -> None:
    assert parts.named(parts.Number(0.5), row, column).kind == kind


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"sha256": "ab"}, ["ab"]),  # a report
        ({"sha256": {"builtin": "ab", "none": None}}, ["ab (builtin)"]),
        ({"networks": {"random": None, "s16": "cd"}}, ["cd (s16)"]),
        ({"runs": [{"sha256": None}, {"sha256": "ab"}, {"sha256": "ab"}]}, ["ab"]),
        ({}, []),
    ],
)
def test_weights_wherever_a_file_has_them(content: dict[str, Any], told: list[str]) -> None:
    assert parts.weights(content) == told


def test_without_any_score_it_says_what_to_give(tmp_path: Path) -> None:
    write(tmp_path / "speed.json", COMMON)
    with pytest.raises(SystemExit, match=r"no scores in .*dinoseg evaluate"):
        bench.main([str(tmp_path), "-o", str(tmp_path / "page.md")])
    with pytest.raises(SystemExit, match="is not there"):
        bench.main([str(tmp_path / "nothing"), "-o", str(tmp_path / "page.md")])
