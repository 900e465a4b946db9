"""Where results may go is known before anything is loaded for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dinoseg.errors import OutputConflict
from dinoseg.places import check_file, check_folder, claimed


def test_d62_a_claimed_folder_is_made_and_locked(tmp_path: Path) -> None:
    with claimed(tmp_path / "new/folder") as root:
        assert root == (tmp_path / "new/folder").resolve()
        with pytest.raises(OutputConflict, match="in use by another run"), claimed(root):
            pass
    with claimed(root):
        pass  # free again


def test_errors_inside_a_claimed_folder_are_not_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), claimed(tmp_path):
        (tmp_path / "missing").read_text()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("file", "file is a file, and results need a folder"),
        ("pipe", "pipe is a file, and results need a folder"),
        ("file/below", "cannot hold the results: Not a directory"),
        ("one.png", "one.png is a file's name, and results need a folder: for instance one"),  # not there yet
        ("new/ONE.JPG", "ONE.JPG is a file's name"),
        ("head.safetensors", "head.safetensors is a file's name"),
    ],
)
def test_b34_what_is_no_folder_for_results(tmp_path: Path, place: str, told: str) -> None:
    (tmp_path / "file").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputConflict, match=told):
        check_folder(tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "pipe"]


@pytest.mark.parametrize("place", ["new/folder", ".", "photos.jpg", "run.v2", "out-0.5"])
def test_checking_a_folder_leaves_nothing(tmp_path: Path, place: str) -> None:
    (tmp_path / "photos.jpg").mkdir()  # whoever has such a folder may use it
    check_folder(tmp_path / place)
    assert [path.name for path in tmp_path.rglob("*")] == ["photos.jpg"]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("folder", "folder is a folder, and the result is a file: for instance .*folder/new.safetensors"),
        ("pipe", "pipe is a folder, a pipe or a device"),
        ("file", "pass --overwrite"),
        ("file/below", "cannot hold the results: Not a directory"),
    ],
)
def test_b34_what_is_no_file_for_results(tmp_path: Path, place: str, told: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputConflict, match=told):
        check_file(tmp_path / place, replace=False)


def test_checking_a_file_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    check_file(tmp_path / "new/model", replace=False)
    check_file(tmp_path / "file", replace=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
