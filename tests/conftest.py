"""Fixtures for every room."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from dinoseg.backbone import graph_cache

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


@pytest.fixture(scope="session", autouse=True)
def compiled_networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where compiled networks are kept, in place of the user's cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_cache, "user_cache_path", lambda _: folder)
        yield folder


@pytest.fixture(autouse=True)
def ctrl_c() -> None:
    """Ctrl-C does what it does: whoever starts the tests in the background makes their process deaf to it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
