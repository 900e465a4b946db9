"""What `compress` asks for and says; compression itself is tested in tests/compression."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dinoseg.cli import run
from dinoseg.errors import CompressionError
from dinoseg.options import CompressOptions

pytestmark = pytest.mark.usefixtures("nothing_is_looked_for")

LINE = "compress dinov2-small photos -o small.safetensors --patch 12 --neurons 96 --heal-crops 0 --store float16"


@dataclass(frozen=True)
class Report:
    file: str = "small.safetensors"
    cosine_pruned: float = 0.81


def test_the_options_reach_compression_and_its_report_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("dinoseg.compression.run_compression", lambda *arguments: asked.extend(arguments) or Report())
    assert run(LINE.split()) == 0
    options = CompressOptions(output=Path("small.safetensors"), patch=12, neurons=96, heal_crops=0, store="float16")
    assert asked == ["dinov2-small", ["photos"], options]
    assert capsys.readouterr() == ("file           small.safetensors\ncosine_pruned  0.81\n", "")


def test_json_is_one_document(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("dinoseg.compression.run_compression", lambda *arguments: Report())
    assert run([*LINE.split(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": "small.safetensors", "cosine_pruned": 0.81}


def test_a_network_that_cannot_be_compressed_is_wrong_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: Any) -> None:
        raise CompressionError("dinov3-small has a gated MLP")

    monkeypatch.setattr("dinoseg.compression.run_compression", refuse)
    assert run(LINE.split()) == 2
    assert "gated MLP" in capsys.readouterr().err
