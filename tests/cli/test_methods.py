from __future__ import annotations

import json

import pytest

from dinoseg.cli import run
from dinoseg.methods import METHODS, describe
from dinoseg.options import SegmentOptions


def test_every_method_is_listed_the_default_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["methods"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(METHODS)
    assert lines[0].split()[0] == SegmentOptions().method_name


@pytest.mark.parametrize("name", METHODS)
def test_one_method_with_its_parameters(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(["methods", name]) == 0
    out = capsys.readouterr().out
    described = describe(name)
    assert out.startswith(described.summary)
    for parameter in described.parameters:
        assert parameter.help in out
    assert ("--param name=value" in out) == bool(described.parameters)


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["methods", "--json"]) == 0
    assert [method["name"] for method in json.loads(capsys.readouterr().out)] == list(METHODS)
    assert run(["methods", "tokencut", "--json"]) == 0
    (method,) = json.loads(capsys.readouterr().out)
    assert {parameter["name"] for parameter in method["parameters"]} >= {"tau", "facet"}


def test_e65_an_unknown_method_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["methods", "tokencat"]) == 2
    assert "Did you mean tokencut?" in capsys.readouterr().err
