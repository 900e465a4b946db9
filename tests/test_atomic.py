"""Whole files, and folders that belong to one run."""

import os

import pytest

from dinoseg.atomic import atomic_write, locked
from dinoseg.errors import OutputConflict


def write_half(path):
    with atomic_write(path) as file:
        file.write(b"half")
        raise RuntimeError("killed")


def test_d52_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError):
        write_half(path)
    assert path.read_bytes() == b"old"
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_files_have_the_permissions_that_the_user_asks_for(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_d62_a_folder_has_one_run_at_a_time(tmp_path):
    with locked(tmp_path), pytest.raises(OutputConflict, match="in use by another run"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
