"""Fixtures for every room."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, and none fails for being slow on a busy machine.
settings.register_profile("dinoseg", deadline=None, derandomize=True, database=None)
settings.load_profile("dinoseg")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs, golden arrays and weights; tests that need it are marked ``shared``."""
    folder = os.environ.get("DINOSEG_SHARED")
    if not folder:
        pytest.skip("DINOSEG_SHARED is not set")
    return Path(folder)


@pytest.fixture(autouse=True)
def ctrl_c() -> None:
    """Ctrl-C does what it does: whoever starts the tests in the background makes their process deaf to it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
