"""Whole files, and folders that belong to one run."""

import errno
import fcntl
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from dinoseg.atomic import LOCK, TEMPORARY, append, atomic_write, locked, open_append
from dinoseg.errors import OutputConflict

LEFT_OVER = ".dinoseg-0123456789abcdef.tmp"


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


@contextmanager
def small_disk():
    """A system that refuses to let a file grow above a kilobyte."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def by_hand(file):
    file.write(bytes(1 << 20))


def by_torch(file):  # which tells it as a RuntimeError of its own
    torch.save({"weights": torch.ones(100_000)}, file)


def in_other_words(file):
    try:
        file.write(bytes(1 << 20))
    except OSError:
        raise ValueError("encoder error -2") from None


@pytest.mark.parametrize("write", [by_hand, by_torch, in_other_words])
def test_d51_what_the_system_refuses_to_write_names_the_file(tmp_path, write):
    path = tmp_path / "a.pth"
    path.write_bytes(b"old")
    with (
        small_disk(),
        pytest.raises(OSError, match=r"File too large: '.*a\.pth'$") as caught,
        atomic_write(path) as file,
    ):
        write(file)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"a.pth": b"old"}


@pytest.mark.parametrize(("owner", "name"), [(os, "fsync"), (Path, "replace")])
def test_d51_what_it_refuses_at_the_end_names_the_file(tmp_path, monkeypatch, owner, name):
    def refused(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(owner, name, refused)
    with pytest.raises(OSError, match=r"Input/output error: '.*a\.pth'$"), atomic_write(tmp_path / "a.pth") as file:
        file.write(b"new")
    assert not list(tmp_path.iterdir())


def test_d51_a_folder_that_is_gone_is_told_by_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone/a\.pth'$"), atomic_write(tmp_path / "gone/a.pth"):
        pass


def test_errors_of_other_files_keep_their_names(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"other'$"), atomic_write(tmp_path / "a.pth"):
        (tmp_path / "other").read_bytes()


def test_d51_what_cannot_be_added_leaves_no_part(tmp_path):
    with open_append(tmp_path / "a.jsonl") as file:
        append(file, b"one\n")
        with small_disk(), pytest.raises(OSError, match=r"File too large: '.*a\.jsonl'$"):
            append(file, bytes(2048))
        append(file, b"two\n")
        file.seek(0)
        assert file.read() == b"one\ntwo\n"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_neither_replaced_nor_waited_for(tmp_path, make):
    make(tmp_path / "a.json")
    make(tmp_path / LOCK)
    for opening in (atomic_write, open_append, lambda path: locked(path.parent)):
        with pytest.raises(OutputConflict, match="is a folder, a pipe or a device"), opening(tmp_path / "a.json"):
            pass
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_h116_nothing_is_added_to_what_a_link_leads_to(tmp_path):
    (tmp_path / "theirs").write_bytes(b"precious")
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "theirs")
    with pytest.raises(OutputConflict, match="is a link"):
        open_append(tmp_path / "a.jsonl")
    assert (tmp_path / "theirs").read_bytes() == b"precious"


def test_d62_a_folder_has_one_run_at_a_time(tmp_path):
    with locked(tmp_path), pytest.raises(OutputConflict, match="in use by another run"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL])
def test_d62_a_file_system_without_locks_is_told_and_used(tmp_path, monkeypatch, caplog, number):
    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    with locked(tmp_path):
        assert f"{tmp_path} cannot be locked ({os.strerror(number)})" in caplog.text


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES])
def test_d62_only_these_two_mean_another_run(tmp_path, monkeypatch, number):
    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(OutputConflict, match="in use by another run"), locked(tmp_path):
        pass


WINDOWS = """
import pathlib, secrets, sys, types
held = []
def locking(descriptor, mode, length):
    if held:
        raise PermissionError(13, "Permission denied")
    held.append((mode, length))
sys.modules["fcntl"] = None
sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
sys.platform = "win32"
from dinoseg.atomic import locked
from dinoseg.errors import OutputConflict
folder = pathlib.Path(sys.argv[1])
with locked(folder):
    try:
        with locked(folder):
            print("twice")
    except OutputConflict:
        print(held)
"""


def test_d62_windows_locks_as_well(tmp_path):
    done = subprocess.run([sys.executable, "-c", WINDOWS, tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout == "[(2, 1)]\n", done.stderr


@pytest.mark.parametrize("deep", [True, False])
def test_d52_unfinished_files_of_a_killed_process_are_swept(tmp_path, deep):
    outside, out = tmp_path / "outside", tmp_path / "out"
    names = [LEFT_OVER, ".0123456789abcdef.tmp", ".notes.tmp", LEFT_OVER[1:], "a.png"]
    for folder in (out, out / "watch", out / "masks/sub", outside):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).touch()
    (out / "link").symlink_to(outside)
    with locked(out, deep=deep):
        pass
    for folder, swept in ((out, True), (out / "watch", deep), (out / "masks/sub", deep), (outside, False)):
        left = {path.name for path in folder.iterdir() if path.is_file()} - {LOCK}
        assert left == set(names[1:] if swept else names)


def test_d52_what_a_writer_leaves_over_is_what_is_swept(tmp_path):
    with atomic_write(tmp_path / "a"):
        (unfinished,) = tmp_path.iterdir()
        assert TEMPORARY.fullmatch(unfinished.name)
