from __future__ import annotations

import json
from pathlib import Path

import pytest

from dinoseg.backbone import names
from dinoseg.cli import run


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "cached", lambda name: Path("there") if name in ("builtin", "dino-vits8") else None)


def test_every_model_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models"]) == 0
    out, err = capsys.readouterr()
    head, *lines = out.splitlines()
    assert head.split() == ["name", "patch", "MB", "here", "note", "from", "licence"]
    assert [line.split()[0] for line in lines] == list(names.ZOO)
    assert "models fetch NAME" in err


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--json"]) == 0
    out, err = capsys.readouterr()
    assert {row["name"]: row["here"] for row in json.loads(out)}.items() >= {
        ("builtin", True),
        ("dino-vits8", True),
        ("dino-vits16", False),
    }
    assert not err


def test_fetch_prints_where_the_file_lies(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "fetch", lambda name, offline: Path("cache") / f"{name}.safetensors")
    assert run(["models", "fetch", "dinov2-small"]) == 0
    assert capsys.readouterr().out == "cache/dinov2-small.safetensors\n"
    assert run(["models", "fetch", "dinov2-small", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "dinov2-small", "file": "cache/dinov2-small.safetensors"}


def test_fetch_downloads_nothing_that_is_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "fetch", lambda name, offline: pytest.fail("downloaded"))
    assert run(["models", "fetch", "dino-vits8"]) == 0
    assert capsys.readouterr().out == "there\n"


@pytest.mark.parametrize("name", ["dino-vits9", "weights.pth", ""])
def test_only_names_of_the_zoo_can_be_fetched(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(["models", "fetch", name]) == 2
    assert "dino-vits16" in capsys.readouterr().err
