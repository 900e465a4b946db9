"""Methods by name, with checked parameters, and how they describe themselves."""

import subprocess
import sys

import pytest

from dinoseg.errors import OptionError
from dinoseg.methods import METHODS, describe, describe_methods, make_method
from dinoseg.methods.tokencut import TokenCut


def test_make_method():
    assert make_method("tokencut", ("tau=0.3", "facet=token")) == TokenCut(tau=0.3, facet="token")


@pytest.mark.parametrize(
    ("name", "params", "told"),
    [
        ("tokenkut", (), "Did you mean tokencut?"),
        ("", (), "There are: head"),
        ("tokencut", ("taus=1",), "Did you mean tau?"),
        ("tokencut", ("tau=1",), "--param tau 1.0 is out of range"),
        ("tokencut", ("tau=nan",), "'nan' is not float"),
        ("tokencut", ("facet=keys",), "is not query | key | value | token | none"),
        ("attention", ("mass=0",), "--param mass"),
        ("attention", ("head=-1",), "--param head"),
        ("attention", ("blur=-1",), "--param blur"),
        ("attention-cut", ("power=0",), "--param power"),
        ("attention-cut", ("reach=0",), "--param reach"),
        ("maskcut", ("objects=0",), "--param objects"),
        ("maskcut", ("tau=1",), "--param tau"),  # inherited from tokencut
        ("spectral", ("vectors=2",), "--param vectors"),
        ("spectral", ("clusters=1",), "--param clusters"),
        ("lost", ("k=0",), "--param k"),
        ("dino-seg", ("head=-1",), "--param head"),
        ("dino-seg", ("mass=1.1",), "--param mass"),
        ("found", ("tau=1",), "--param tau"),
        ("kmeans", ("clusters=1",), "--param clusters"),
        ("prior", ("superpixels=1",), "--param superpixels"),
    ],
)
def test_wrong_names_and_values(name, params, told):
    with pytest.raises(OptionError) as error:
        make_method(name, params)
    assert told in str(error.value)


def test_every_method_tells_its_parameters_and_its_score():
    for description in describe_methods():
        assert description.summary.endswith(".")
        assert "\n    Score: " in "\n    " + description.text.replace("\n", "\n    ")
        assert all(parameter.help.endswith(".") for parameter in description.parameters), description.name
    assert [description.name for description in describe_methods()] == list(METHODS)


def test_description_of_inherited_parameters():
    parameters = {parameter.name: parameter for parameter in describe("maskcut").parameters}
    assert list(parameters)[:4] == ["facet", "centre", "tau", "weighted"]
    assert parameters["weighted"].default is False
    assert "edges" in parameters["weighted"].help


def test_methods_are_checked_before_torch_is_loaded():
    code = "import sys, dinoseg.methods; dinoseg.methods.make_method('attention-cut'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
