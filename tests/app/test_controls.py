"""Controls come from dataclasses, and what they hold is read as if it was typed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import pytest

from dinoseg.app.controls import controls_of
from dinoseg.methods import METHODS, make_method, method_class


@dataclass(frozen=True)
class Sample:
    """One field of each kind."""

    share: float = 0.5
    """A share."""
    count: int | None = 3
    turned: bool = True
    centre: bool | None = None
    rule: Literal["one", "many"] = "one"
    level: Literal[1, 2] | None = None
    weights: str | None = None
    sizes: tuple[int, int] | None = None


def test_a_control_for_each_field_but_for_words() -> None:
    found = {control.name: control for control in controls_of(Sample)}
    assert {name: (control.kind, control.value, control.choices) for name, control in found.items()} == {
        "share": ("number", 0.5, ()),
        "count": ("whole", 3, ()),
        "turned": ("switch", True, ()),
        "centre": ("choice", "none", ("none", "true", "false")),
        "rule": ("choice", "one", ("one", "many")),
        "level": ("choice", "none", ("1", "2", "none")),
    }
    assert found["share"].parameter.help == "A share."


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("share", 0.25, "share=0.25"),
        ("share", None, None),  # an empty number that has to be one: its default
        ("count", None, "count=none"),  # not the default, which is 3
        ("turned", False, "turned=False"),
        ("rule", "many", "rule=many"),
    ],
)
def test_what_a_control_holds_in_words(name: str, value: Any, word: str | None) -> None:
    (control,) = (each for each in controls_of(Sample) if each.name == name)
    assert control.word(value) == word


@pytest.mark.parametrize("name", METHODS)
def test_untouched_controls_give_the_default_of_every_method(name: str) -> None:
    words = [control.word(control.value) for control in controls_of(method_class(name))]
    assert make_method(name, tuple(word for word in words if word is not None)) == make_method(name)


def test_no_method_takes_a_file_of_this_machine() -> None:
    assert "weights" in {field.name for field in fields(method_class("head"))}
    assert not [name for name in METHODS for each in controls_of(method_class(name)) if each.name == "weights"]
