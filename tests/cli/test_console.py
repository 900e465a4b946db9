from __future__ import annotations

import io
import json
import sys
import threading
from pathlib import Path

import pytest

from dinoseg.cli.console import (
    LISTED,
    hush,
    inform,
    plain,
    safe_streams,
    say,
    say_failures,
    tell,
    tell_json,
    tell_table,
)
from dinoseg.errors import InputNotFound, TruncatedImage
from dinoseg.runs.progress import progress_bar, set_total
from dinoseg.types import Failure


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("sub/cat.jpg", "sub/cat.jpg"),
        ("größe 猫 🐈.jpg", "größe 猫 🐈.jpg"),  # letters of any script stay
        ("a\nfailed: b", "a\\nfailed: b"),  # no line of its own
        ("a\x1b[2Jb", "a\\x1b[2Jb"),  # clears the screen
        ("a\x9b2Jb", "a\\x9b2Jb"),  # the same in one character
        ("a\rb\x08c\x07", "a\\rb\\x08c\\x07"),
        ("cat\u202egpj.exe", "cat\\u202egpj.exe"),  # writes backwards
        ("[red]cat[/red]", "[red]cat[/red]"),  # markup is not read
        (Path("a\tb"), "a\\tb"),
    ],
)
def test_h112_names_cannot_steer_the_terminal(name: object, shown: str) -> None:
    assert plain(name) == shown


def test_b31_undecodable_names_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    say(name)
    tell(name)
    tell_json({"id": name})
    out, err = capsys.readouterr()
    assert err == "caf\\udce9.jpg\n"
    assert out.splitlines()[0] == "caf\\udce9.jpg"
    assert json.loads(out.split("\n", 1)[1]) == {"id": name}


def test_b31_letters_that_the_terminal_lacks_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    safe_streams()
    tell("größe")
    sys.stdout.flush()
    assert written.getvalue().rstrip() == b"gr\\xf6\\xdfe"


def test_tables_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    tell_table([("name", "MB"), ("builtin", 12), ("a\nb", "")])
    assert capsys.readouterr().out == "name     MB\nbuiltin  12\na\\nb\n"


@pytest.mark.parametrize(
    ("count", "lines", "last"),
    [
        (0, 0, None),
        (1, 1, "failed: 0.jpg: ends early [truncated]"),
        (LISTED, LISTED, f"failed: {LISTED - 1}.jpg: ends early [truncated]"),
        (LISTED + 1, LISTED + 1, "... and 1 more: see manifest.jsonl"),
        (5000, LISTED + 1, f"... and {5000 - LISTED} more: see manifest.jsonl"),
    ],
)
def test_failures_are_named_up_to_a_limit(
    capsys: pytest.CaptureFixture[str], count: int, lines: int, last: str | None
) -> None:
    say_failures([Failure(f"{i}.jpg", TruncatedImage("ends early")) for i in range(count)], count, "see manifest.jsonl")
    out, err = capsys.readouterr()
    assert not out
    assert len(err.splitlines()) == lines
    assert last is None or err.splitlines()[-1] == last


@pytest.mark.parametrize(
    ("id_", "message", "line"),
    [
        ("cat.jpg", "ends early", "failed: cat.jpg: ends early [truncated]"),
        ("cat.jpg", "cat.jpg: ends early", "failed: cat.jpg: ends early [truncated]"),  # not named twice
        ("a\nb.jpg", "a\nb.jpg: ends early", "failed: a\\nb.jpg: ends early [truncated]"),  # one line
    ],
)
def test_a_failure_is_one_line_that_names_its_input(
    capsys: pytest.CaptureFixture[str], id_: str, message: str, line: str
) -> None:
    say_failures([Failure(id_, TruncatedImage(message))], 1, "")
    assert capsys.readouterr().err == f"{line}\n"


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("quiet", [False, True])
def test_e70_quiet_silences_bars_of_other_rooms_too(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    hush(quiet)
    with progress_bar("train", unit="step") as bar:
        bar.update()
    inform("next: this")
    assert bool(terminal.getvalue()) is not quiet
    say("wrong")
    assert terminal.getvalue().endswith("wrong\n")
    hush(False)


def test_e70_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as bar:
        bar.update()
    assert capsys.readouterr() == ("", "")


def test_the_bar_has_its_end_when_that_is_known_and_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    others, counted = set(threading.enumerate()), threading.Event()
    with progress_bar(count=lambda: 3 if counted.wait(60) else None) as bar:
        bar.update()
        assert bar.total is None
        counted.set()
        for thread in set(threading.enumerate()) - others:
            if thread.daemon and "set_total" in thread.name:
                thread.join()
        assert bar.total == 3


def test_what_cannot_be_counted_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def count() -> int:
        raise InputNotFound("gone meanwhile")

    with progress_bar() as bar:
        set_total(bar, count)
    assert bar.total is None


def test_nothing_is_counted_without_a_terminal() -> None:
    with progress_bar(count=lambda: pytest.fail("counted")):
        pass
