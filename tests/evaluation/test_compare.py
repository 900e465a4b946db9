"""Pairs of reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinoseg.errors import DatasetError
from dinoseg.evaluation import evaluate
from dinoseg.evaluation.compare import Difference, compare, read_rows, to_markdown
from dinoseg.evaluation.metrics.resampling import bootstrap, paired_bootstrap
from tests.evaluation.sets import square, write_davis, write_mask, write_pairs


def write_predictions(folder: Path, names: list[str], sides: list[int]) -> Path:
    for name, side in zip(names, sides, strict=True):
        write_mask(folder / f"{name}.png", 255 * square(20, 30, side))
    return folder


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Path, list[float]]:
    """Folders of two reports over five pictures, and what the second is better by in each."""
    root, names = write_pairs(tmp_path / "set", 5), [f"photo_{i:03d}" for i in range(5)]
    sides = [10, 15, 20, 25, 30], [14, 20, 20, 30, 40]
    for name, used in zip("ab", sides, strict=True):
        found = write_predictions(tmp_path / f"found {name}", names, used)
        evaluate("foreground", root, predictions=found, output=tmp_path / name)
    better = [(b**2 - a**2) / 40**2 for a, b in zip(*sides, strict=True)]
    return tmp_path / "a", tmp_path / "b", better


def test_the_mean_difference_and_its_paired_interval(saved: tuple[Path, Path, list[float]]) -> None:
    first, second, better = saved
    found = {x.name: x for x in compare(first, second)}
    assert found["IoU"].value == pytest.approx(np.mean(better))
    assert found["IoU"].interval == pytest.approx(bootstrap(better))
    assert (found["IoU"].units, found["IoU"].unit) == (5, "images")
    assert (found["whole image"].value, found["whole image"].interval) == (0, (0, 0))
    assert compare(second, first)[0].value == -found["IoU"].value


def test_pairs_tell_apart_what_two_intervals_do_not() -> None:
    random = np.random.default_rng(0)
    first = random.random(100)  # pictures differ far more than the methods
    second = first + random.normal(0.02, 0.02, 100)
    low, high = paired_bootstrap(first, second)
    assert 0 < low < 0.02 < high < 0.03
    assert bootstrap(first)[1] > bootstrap(second)[0]
    with pytest.raises(ValueError, match="100 values cannot be paired with 99"):
        paired_bootstrap(first, second[1:])


def test_videos_are_the_units_where_there_are_some(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "set", {"a": 3, "b": 2})
    names = [f"{video}/photo_{i:03d}" for video, n in (("a", 3), ("b", 2)) for i in range(n)]
    reports = [
        evaluate("foreground", root, predictions=write_predictions(tmp_path / name, names, sides))
        for name, sides in (("first", [20] * 5), ("second", [20, 20, 20, 40, 40]))
    ]
    found = compare(*reports)[0]
    assert (found.value, found.units, found.unit) == (pytest.approx(0.75 / 2), 2, "sequences")


def test_reports_of_other_pictures_are_not_compared(saved: tuple[Path, Path, list[float]], tmp_path: Path) -> None:
    root, found = tmp_path / "set", tmp_path / "found a"
    odd = evaluate("foreground", root, predictions=found, split="odd")
    with pytest.raises(DatasetError, match=r"3 are in one of them only, for instance photo_000\.jpg"):
        compare(saved[0], odd)
    with pytest.raises(DatasetError, match="no value of single pictures in common"):
        compare(saved[0], evaluate("ap", root, predictions=found))


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "id,status,sequence,classes,predicted,IoU\na,scored,,,,much\n"])
def test_another_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "scores.csv").write_text(content)
    if content:
        with pytest.raises(DatasetError, match=r"scores\.csv cannot be read"):
            read_rows(tmp_path / "scores.csv")
    with pytest.raises(DatasetError):
        compare(tmp_path, tmp_path)
    with pytest.raises(DatasetError, match=r"nowhere/scores\.csv is not there"):
        compare(tmp_path / "nowhere", tmp_path)


def test_scores_that_a_spreadsheet_saved_again_are_read(saved: tuple[Path, Path, list[float]], tmp_path: Path) -> None:
    first, second, _ = saved
    table = (first / "scores.csv").read_text()
    (tmp_path / "scores.csv").write_bytes(table.replace("\n", "\r\n").encode("utf-8-sig"))
    assert compare(tmp_path, second) == compare(first, second)


def test_the_table_shows_signs() -> None:
    page = to_markdown([Difference("IoU", 0.0123, (-0.001, 0.03), 9, "images"), Difference("J", -1, None, 1, "images")])
    assert "| IoU | +0.012 | -0.001 .. +0.030 | 9 images |" in page
    assert "| J | -1.000 | - | 1 images |" in page
