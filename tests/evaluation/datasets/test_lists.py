"""What the lines of a data set's list mean."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest

from dinoseg.errors import DatasetError
from dinoseg.evaluation.datasets.lists import Names, names_in, without_suffix

IDS = ("b.png", "b c.png", "dir/a.jpg", "frame.0001.jpg", "frame.jpg", "two.jpg", "two.png", "x/same.jpg", "y/same.jpg")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("b", "b.png"),
        ("b c", "b c.png"),  # not b
        ("b c 1", "b c.png"),  # VOC's lists of a class
        ("b c  0", "b c.png"),
        ("b d", None),  # not b
        ("b.png", "b.png"),
        ("b.jpg", "b.png"),  # a list of masks
        ("b c.png b c.gif", "b c.png"),  # a picture and its mask
        ("/images/b c.png /masks/b c.png", "b c.png"),
        ("b.png 17", "b.png"),  # a picture and its class
        ("a", "dir/a.jpg"),
        ("dir\\a.jpg", "dir/a.jpg"),
        ('"dir/a.jpg"', "dir/a.jpg"),
        ("frame.0001", "frame.0001.jpg"),  # not frame.jpg
        ("frame.0002", None),
        ("two.png", "two.png"),
        ("two", None),  # which?
        ("same", None),
        ("y/same", "y/same.jpg"),
    ],
)
def test_what_a_line_means(tmp_path: Path, line: str, expected: str | None) -> None:
    (tmp_path / "list").write_text(f"\ufeff{line}\r\n\r\n", encoding="utf-8")
    assert list(names_in(tmp_path / "list", Names(IDS)).values()) == [expected]


def test_lines_that_say_that_a_class_is_not_there_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("b -1\nb c  1\nb c -1\n")
    assert names_in(tmp_path / "list", Names(IDS)) == {"b c": "b c.png"}
    assert names_in(tmp_path / "list", Names(["b -1.png"])) == {"b -1": "b -1.png", "b c": None}  # a name after all


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"list cannot be read \(No such file"):
        names_in(tmp_path / "list", Names(IDS))


def test_accents_may_be_composed_either_way() -> None:
    for there, asked in (("NFC", "NFD"), ("NFD", "NFC")):
        id_ = normalize(there, "é.jpg")
        assert Names([id_])(normalize(asked, "é")) == id_


@pytest.mark.parametrize(("name", "expected"), [("a/b.JPG", "a/b"), ("a.b/c", "a.b/c"), ("frame.0001", "frame.0001")])
def test_only_extensions_of_pictures_are_extensions(name: str, expected: str) -> None:
    assert without_suffix(name) == expected
