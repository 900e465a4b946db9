"""A network small enough to be measured in a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.networks import save_teacher


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight file: patch 8, width 32, depth 2, 2 heads."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_teacher(path)
    return path
