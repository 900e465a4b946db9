"""Folders of classes, and what is said of those that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from dinoseg.errors import DatasetError
from dinoseg.evaluation.datasets.labelled import open_labelled


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()  # nothing is decoded here
    return root


def test_one_folder_per_class(tmp_path: Path) -> None:
    folder = open_labelled(touch(tmp_path, "dog/b.jpg", "cat/a.jpg", "cat/deep/c.png", "cat/notes.txt", "stray.jpg"))
    assert folder.classes == ("cat", "dog")
    assert [source.id for source in folder.train.sources] == ["cat/a.jpg", "cat/deep/c.png", "dog/b.jpg"]
    assert folder.train.labels.tolist() == [0, 0, 1]
    assert folder.test is None
    assert [failure.id for failure in folder.failed] == ["stray.jpg"]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test"])
def test_two_parts(tmp_path: Path, name: str) -> None:
    folder = open_labelled(touch(tmp_path, "train/a/1.jpg", "train/b/2.jpg", f"{name}/b/3.jpg"))
    assert folder.classes == ("a", "b")
    assert folder.test is not None
    assert [source.id for source in folder.test.sources] == [f"{name}/b/3.jpg"]
    assert folder.test.labels.tolist() == [1]
    assert folder.layout == f"train/CLASS and {name}/CLASS"


def test_a_part_alone_is_a_class_like_any_other(tmp_path: Path) -> None:
    assert open_labelled(touch(tmp_path, "train/1.jpg", "plane/2.jpg")).classes == ("plane", "train")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a.jpg"], "0 classes"),
        (["cat/a.jpg"], "1 classes"),
        (["train/a/1.jpg", "train/b/1.jpg", "val/zebra/1.jpg"], "no pictures to learn zebra from"),
        (["train/a/1.jpg", "train/b/1.jpg", "val/notes.txt"], "no pictures to test"),
    ],
)
def test_what_is_no_labelled_folder(tmp_path: Path, names: list[str], told: str) -> None:
    with pytest.raises(DatasetError, match=told) as caught:
        open_labelled(touch(tmp_path, *names))
    assert "CLASS/*.jpg" in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="gone is not a folder"):
        open_labelled(tmp_path / "gone")
