"""Compiled networks on disk: the same network, faster; whatever lies there, never another one, never an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinoseg.backbone import graph_cache
from dinoseg.backbone.names import builtin_graph

pytest.importorskip("openvino")
from dinoseg.backbone.graph import Graph


@pytest.fixture
def compiles(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The networks that were compiled, not read back."""
    import openvino

    found: list[Path] = []

    class Core(openvino.Core):
        def compile_model(self, path: Path, *rest: Any) -> Any:
            found.append(path)
            return super().compile_model(path, *rest)

    monkeypatch.setattr(openvino, "Core", Core)
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setattr(graph_cache, "user_cache_path", lambda _: tmp_path / "cache" / "dinoseg")
    return tmp_path / "cache" / "dinoseg"


def encoded() -> bytes:
    """What the built-in network says of one picture."""
    pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    features = Graph(builtin_graph()).encode([pixels], (3, 5), ("token",))
    return np.asarray(features.attention).tobytes() + np.asarray(features.facets["token"]).tobytes()


def test_what_was_kept_is_the_network(folder: Path, compiles: list[Path]) -> None:
    first = encoded()
    (kept,) = folder.iterdir()
    assert len(compiles) == 1
    assert encoded() == first
    assert len(compiles) == 1
    assert list(folder.iterdir()) == [kept]


@pytest.mark.parametrize("damage", ["a bit", "cut short", "empty", "a folder", "not OpenVINO's"])
def test_what_is_damaged_is_made_anew(folder: Path, compiles: list[Path], damage: str) -> None:
    first = encoded()
    (kept,) = folder.iterdir()
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "a folder":
        kept.unlink()
        kept.mkdir()
    elif damage == "not OpenVINO's":
        graph_cache.keep(kept, b"of another version")
    else:
        kept.write_bytes({"a bit": content, "cut short": content[:5000], "empty": b""}[damage])
    assert encoded() == first
    assert len(compiles) == 2
    if damage != "a folder":
        assert encoded() == first
        assert len(compiles) == 2


def test_a_folder_that_cannot_be_written_costs_nothing(folder: Path, compiles: list[Path]) -> None:
    folder.parent.mkdir()
    folder.write_text("in the way")
    assert encoded() == encoded()
    assert len(compiles) == 2


def test_large_networks_are_not_kept(folder: Path, compiles: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_cache, "LARGEST", builtin_graph().stat().st_size - 1)
    encoded()
    assert not folder.exists()


def test_other_settings_are_another_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        encoded()
    from dinoseg.backbone.graph import threads as allowed

    assert len(list(folder.iterdir())) == (1 if allowed() == 1 else 2)
