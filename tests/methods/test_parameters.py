"""Parameters as text, and as told to people."""

from dataclasses import dataclass
from typing import Literal

import pytest

from dinoseg.errors import OptionError
from dinoseg.methods.parameters import Parameter, parameters_of, parse_parameters


@dataclass(frozen=True)
class Base:
    tau: float = 0.2
    """Where it
    is cut."""


@dataclass(frozen=True)
class Thing(Base):
    mode: Literal["Otsu", "mass"] = "Otsu"
    """How."""
    head: int | None = None
    """One of them."""
    facet: Literal["key", "value"] | None = None
    hard: bool = False


def test_parameters_with_their_docstrings_base_first():
    assert parameters_of(Thing) == (
        Parameter("tau", "float", 0.2, "Where it is cut."),
        Parameter("mode", "Otsu | mass", "Otsu", "How."),
        Parameter("head", "int | none", None, "One of them."),
        Parameter("facet", "key | value | none", None, ""),
        Parameter("hard", "bool", False, ""),
    )


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ([], {}),
        (["tau=0.3"], {"tau": 0.3}),
        (["tau=1"], {"tau": 1.0}),  # a whole number is a float
        (["head=2"], {"head": 2}),
        (["head=none"], {"head": None}),
        (["mode=mass", "hard=true"], {"mode": "mass", "hard": True}),
        (["hard=NO"], {"hard": False}),
        (["facet=value"], {"facet": "value"}),
        (["facet=None"], {"facet": None}),
    ],
)
def test_parse(given, values):
    assert parse_parameters(Thing, "thing", given) == values


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["tau"], "must be name=value, for instance --param tau=0.2"),
        (["taw=1"], "thing has no parameter 'taw'. Did you mean tau? There are: tau, mode, head, facet, hard."),
        (["zzz=1"], "There are: tau"),
        (["tau=much"], "'much' is not float"),
        (["head=1.5"], "'1.5' is not int | none"),
        (["mode=mess"], "'mess' is not Otsu | mass"),
        (["hard=2"], "'2' is not bool"),
        (["tau="], "'' is not float"),
        (["tau=nan"], "'nan' is not float"),
        (["tau=1e999"], "'1e999' is not float"),
        (["head=100000000000000000000000"], "'100000000000000000000000' is not int | none"),
        (["tau=1", "tau=2"], "given twice"),
        (["needs_network=true"], "no parameter 'needs_network'"),
    ],
)
def test_errors_name_what_was_asked_and_what_there_is(given, told):
    with pytest.raises(OptionError) as error:
        parse_parameters(Thing, "thing", given)
    assert told in str(error.value)
