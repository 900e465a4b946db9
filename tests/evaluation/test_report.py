"""A report says everything that is needed to trust its number, and no number when pictures failed."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from dinoseg.errors import OutputConflict
from dinoseg.evaluation.report import FILES, Report, Row, Score, check_place, harmless, one_line, versions

ROWS = (
    Row("a.jpg", {"IoU": 0.5, "whole image": 0.25}, classes=("cat", "dog"), evidence=None),
    Row("=cmd|' /C calc'!A0.jpg", {"IoU": 0.75}, evidence=None),
)
REPORT = Report(
    protocol="foreground",
    definition="IoU of this against that.",
    dataset="set",
    layout="images + masks",
    foreground="above 127",
    split="odd",
    every=1,
    images=2,
    failed=(),
    scores=(
        Score("IoU", 0.625, (0.5, 0.75), 2, "images", "label-free"),
        Score("ORACLE best head", 0.7, None, 1, "images", "oracle"),
    ),
    absent=(),
    rows=ROWS,
    model="builtin",
    sha256="ab" * 32,
    device="cpu",
    size=320,
    options={"method": "attention", "refine": "guided"},
    command="dinoseg evaluate foreground set --split odd",
    commit="ab12",
    seed=0,
    versions={"dinoseg": "1", "torch": "2"},
    seconds=3.2,
    subject=(
        "- method: attention, refinement guided, long side 320 px",
        f"- network: builtin on cpu, sha256 {'ab' * 32}",
    ),
)
FAILED = replace(REPORT, failed=(("b.jpg", "truncated"),), scores=())
PARTIAL = replace(REPORT, failed=(("b.jpg", "truncated"),))


def lines(report: Report) -> list[str]:
    return report.to_markdown().splitlines()


def test_the_page_names_everything() -> None:
    page = REPORT.to_markdown()
    for needed in (
        "# foreground: set",
        "IoU of this against that.",
        "split odd: 2 pictures scored",
        "- foreground: above 127",
        "- method: attention, refinement guided, long side 320 px",
        f"- network: builtin on cpu, sha256 {'ab' * 32}",
        "| IoU | 0.625 | 0.500 .. 0.750 | 2 images | label-free |",
        "| ORACLE best head | 0.700 | - | 1 images | oracle |",
        "    dinoseg evaluate foreground set --split odd",
        "dinoseg 1, torch 2, commit ab12, seed 0; 3 s",
    ):
        assert needed in page
    assert "artial" not in page
    assert REPORT.headline == REPORT.scores[0]


def test_no_number_when_pictures_failed() -> None:
    assert FAILED.headline is None
    page = FAILED.to_markdown()
    assert "**1 of 3 pictures could not be scored**: b.jpg (truncated)" in page
    assert "**No score**" in page
    assert "0.625" not in page
    assert "`--partial`" in page
    assert "`--partial`" not in replace(FAILED, images=0).to_markdown()  # of what others?


def test_a_partial_report_is_labelled() -> None:
    page = PARTIAL.to_markdown()
    assert "| IoU | 0.625 |" in page
    assert "**Partial**" in page
    assert "b.jpg (truncated)" in page


def test_g98_absent_classes_are_named() -> None:
    assert "- in no picture, so in no mean: bus, boat" in lines(replace(REPORT, absent=("bus", "boat")))


def test_an_unknown_commit_is_not_made_up() -> None:
    assert lines(replace(REPORT, commit=None))[-1] == "dinoseg 1, torch 2, seed 0; 3 s"


def test_json_holds_all_but_the_rows_and_is_strict() -> None:
    broken = replace(REPORT, options={"output": Path("x"), "nan": float("nan")})
    content = json.loads(json.dumps(broken.to_json(), allow_nan=False))
    assert content["scores"][0].items() >= {"name": "IoU", "interval": [0.5, 0.75], "kind": "label-free"}.items()
    assert content["commit"] == "ab12"
    assert content["options"] == {"output": "x", "nan": None}
    assert "rows" not in content


def test_csv_has_a_line_per_picture_and_names_failures() -> None:
    table = list(csv.reader(io.StringIO(PARTIAL.to_csv())))
    assert table == [
        ["id", "status", "sequence", "classes", "predicted", "IoU", "whole image"],
        ["a.jpg", "scored", "", "cat dog", "", "0.5", "0.25"],
        ["'=cmd|' /C calc'!A0.jpg", "scored", "", "", "", "0.75", ""],
        ["b.jpg", "truncated", "", "", "", "", ""],
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_h113_a_name_is_no_formula(start: str) -> None:
    assert harmless(f"{start}1+1") == f"'{start}1+1"
    assert harmless(f"a{start}1") == f"a{start}1"


def test_h111_foreign_names_stay_in_their_cell() -> None:
    assert one_line("a|b\n# c <script>") == "a\\|b # c &lt;script>"


def test_files_are_written_and_names_that_are_no_text_survive(tmp_path: Path) -> None:
    odd = replace(REPORT, rows=(Row("bad\udcff.jpg", {"IoU": 1.0}, evidence=None),))
    paths = odd.save(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["scores.csv", "report.md", "report.json"]
    assert sorted(FILES) == sorted(x.name for x in (tmp_path / "new" / "folder").iterdir())
    assert "bad\\udcff.jpg,scored" in paths[0].read_text()
    assert paths[1].read_text() == odd.to_markdown()
    assert json.loads(paths[2].read_text())["protocol"] == "foreground"


def test_a_report_is_not_replaced_unasked(tmp_path: Path) -> None:
    check_place(tmp_path, overwrite=False)
    check_place(tmp_path / "not there yet", overwrite=False)
    REPORT.save(tmp_path)
    with pytest.raises(OutputConflict, match=r"report\.json is there already: .*--overwrite"):
        check_place(tmp_path, overwrite=False)
    check_place(tmp_path, overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_b34_a_place_that_cannot_hold_a_report_is_refused(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputConflict, match="name another folder"):
        check_place(tmp_path / "file", overwrite)


def test_versions_name_what_a_score_depends_on() -> None:
    assert {"dinoseg", "python", "torch", "timm", "numpy", "cv2", "PIL"} == set(versions())
