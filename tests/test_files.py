"""A user's file is opened only if it is one, and opening never waits."""

import os
import socket
from pathlib import Path

import pytest

from dinoseg.files import NotRegular, check_regular, home_path, open_regular


@pytest.fixture
def never_waits(monkeypatch):
    """A pipe opened in blocking mode would hang the suite: let it fail instead."""
    opened = os.open

    def guarded(path, flags, *rest, **named):
        assert flags & os.O_NONBLOCK
        return opened(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", guarded)


def test_a_file_and_a_link_to_one_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for name in ("a", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"


def fifo(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def folder(path):
    path.mkdir()


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(path))


@pytest.mark.parametrize("make", [fifo, device, folder, unix_socket])
def test_nothing_else_is_opened(tmp_path, monkeypatch, never_waits, make):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "a.jpg")
    before = os.dup(0)
    os.close(before)
    for opener in (open_regular, check_regular):
        with pytest.raises(NotRegular, match=r"not a file.*a\.jpg"):
            opener(tmp_path / "a.jpg")
    after = os.dup(0)
    os.close(after)
    assert after == before  # the lowest free descriptor: none was left open


def test_what_is_opened_is_asked_and_not_its_name(tmp_path, monkeypatch, never_waits):
    """A pipe that takes the file's place after its name was looked at is still no file."""
    os.mkfifo(tmp_path / "a")
    monkeypatch.setattr(os, "stat", lambda *_, **__: pytest.fail("the name was asked"))
    with pytest.raises(NotRegular):
        open_regular(tmp_path / "a")


def test_a_pipe_with_a_writer_is_no_file_either(tmp_path):
    os.mkfifo(tmp_path / "a")
    writer = os.open(tmp_path / "a", os.O_RDWR)
    with pytest.raises(NotRegular):
        open_regular(tmp_path / "a")
    os.close(writer)


@pytest.mark.parametrize("name", ["gone", "a\0b"])
def test_what_is_not_there_is_said_so(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / name)


def test_home_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_path("~/a.jpg") == tmp_path / "a.jpg"
    assert home_path("a~b.jpg") == Path("a~b.jpg")
    assert home_path("~no-such-user/a") == Path("~no-such-user/a")
