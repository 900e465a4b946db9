"""What the benchmarks share: timing in turn, ratios of pairs, data sets, and the files of results."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from tests.evaluation.sets import write_pairs
from tests.helpers import write_images

harness = pytest.importorskip("harness", reason="the benchmarks are in the repository only")


def test_ways_take_turns_and_each_round_is_timed() -> None:
    calls: list[str] = []
    ticks = count()
    ways = {name: lambda name=name: calls.append(name) for name in ("ours", "reference")}
    taken = harness.in_turn(ways, 3, lambda: float(next(ticks)))
    assert calls == ["ours", "reference"] * 3
    assert taken == {"ours": [1.0] * 3, "reference": [1.0] * 3}


def test_ratios_are_of_the_pairs_of_a_round() -> None:
    """A machine that is three times as slow in one round slows both ways; the ratio of medians would see 2."""
    assert harness.paired_ratios([2, 6, 8], [1, 3, 2]) == [2, 2, 4]
    with pytest.raises(ValueError, match="shorter"):
        harness.paired_ratios([1.0, 2.0], [1.0])


def test_what_is_timed_returns_its_result() -> None:
    ticks = iter((1.0, 3.5))
    assert harness.timed(lambda: "x", lambda: next(ticks)) == ("x", 2.5)
    assert harness.spread([3, 1, 2]) == [2, 1, 3]


def test_numbers_have_their_interval_and_differences_a_sign() -> None:
    assert harness.number(0.5) == "0.500"
    assert harness.number(0.5, (0.25, 0.75)) == "0.500 [0.250, 0.750]"
    assert harness.number(0.5, (-0.25, 0.75), sign=True) == "+0.500 [-0.250, +0.750]"


def test_files_hold_the_command_and_no_path_of_a_machine(tmp_path: Path) -> None:
    asked = harness.quoted("x.py", ["/somewhere/duts", "--every", "2"])
    assert asked == "python benchmarks/x.py duts --every 2"
    page = harness.table(("", "IoU"), [("ours", "0.5")])
    text = harness.write(tmp_path / "new" / "made", f"# Title\n\n{page}\n\n", {"rows": [1]}, asked)
    assert (tmp_path / "new" / "made.md").read_text() == text
    assert text.startswith(f"# Title\n\n| | IoU |\n| --- | --- |\n| ours | 0.5 |\n\n    {asked}\n\n")
    facts = json.loads((tmp_path / "new" / "made.json").read_text())
    assert list(facts) == ["command", "versions", "rows"]
    assert facts["command"] == asked


def test_data_sets_are_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="holds none of duts, coco"):
        harness.data_sets(tmp_path, ("DUTS", "COCO"))
    write_pairs(tmp_path / "duts", 2)
    assert list(harness.data_sets(tmp_path)) == ["DUTS"]


def test_photographs_are_spread_over_the_sorted_list(tmp_path: Path) -> None:
    paths = write_images(tmp_path, 6)
    assert [source.content for source in harness.photographs(tmp_path, count=3)] == paths[::2]
    assert len(harness.photographs(tmp_path)) == len(harness.photographs(tmp_path, count=99)) == 6


def test_a_command_line_asks_for_what_is_shared() -> None:
    words = ["--data", "eval", "-o", "made"]
    asked = harness.command_line("About.", data=True).parse_args(words)
    assert (asked.data, asked.output) == (Path("eval"), Path("made"))
    with pytest.raises(SystemExit):
        harness.command_line("About.").parse_args([])
