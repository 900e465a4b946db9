"""Fixtures for every room."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs, golden arrays and weights; tests that need it are marked ``shared``."""
    folder = os.environ.get("DINOSEG_SHARED")
    if not folder:
        pytest.skip("DINOSEG_SHARED is not set")
    return Path(folder)
