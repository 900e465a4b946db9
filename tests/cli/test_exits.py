from __future__ import annotations

import pytest
from cyclopts import CycloptsError

from dinoseg.cli import exits
from dinoseg.cli.exits import exit_code, of_counts
from dinoseg.errors import (
    CorruptWeights,
    InputNotFound,
    NonFiniteLoss,
    OptionError,
    TruncatedImage,
)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(exits.DEBUG, raising=False)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (OptionError("--size 3 is out of range"), 2, "--size 3 is out of range"),
        (InputNotFound("cats/ is not there"), 2, "cats/ is not there"),
        (CorruptWeights("w.pth is half a file"), 2, "w.pth is half a file"),
        (CycloptsError(msg="Unknown option: --modl."), 2, "Unknown option: --modl."),
        (TruncatedImage("cat.jpg ends early"), 4, "cat.jpg ends early"),  # the only input
        (NonFiniteLoss("loss is nan at step 7"), 4, "step 7"),
        (KeyboardInterrupt(), 130, "the same command goes on"),
        (OSError(28, "No space left on device", "out/a.png"), 1, "No space left on device"),
        (ZeroDivisionError("division by zero"), 1, "defect of dinoseg"),  # ours
        (AssertionError(), 1, "AssertionError"),
    ],
)
def test_what_an_error_means_to_the_shell(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, told: str
) -> None:
    assert exit_code(error) == code
    out, err = capsys.readouterr()
    assert not out
    assert told in err
    assert len(err.splitlines()) == 1


def test_the_traceback_is_shown_on_request(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(exits.DEBUG, "1")
    exit_code(ZeroDivisionError("of ours"))
    assert "ZeroDivisionError: of ours\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("done", "failed", "code"),
    [
        (5, 0, 0),
        (5, 1, 3),
        (0, 1, 4),  # all failed
        (0, 0, 4),  # nothing found
    ],
)
def test_the_code_of_many_inputs(done: int, failed: int, code: int) -> None:
    assert of_counts(done, failed) == code
