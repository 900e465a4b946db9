"""What can be chosen on the page, read from the dataclasses of methods and options: no list of them is kept here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from dinoseg.methods.parameters import Parameter, parameters_of

NONE = "none"
NUMBERS = ("int", "float")
Kind = Literal["whole", "number", "switch", "choice"]


@dataclass(frozen=True, slots=True)
class Control:
    """One parameter as something to set."""

    parameter: Parameter
    kind: Kind
    choices: tuple[str, ...] = ()
    """Of a ``choice``."""

    @property
    def name(self) -> str:
        """Of the parameter."""
        return self.parameter.name

    @property
    def value(self) -> Any:
        """The default, as the control shows it; an empty number is None, and what is not finite."""
        default = self.parameter.default
        if isinstance(default, float) and not math.isfinite(default):
            return None
        if self.kind != "choice":
            return default
        return str(default).lower() if default is None or isinstance(default, bool) else str(default)

    def word(self, value: Any) -> str | None:
        """``name=value``, or None for an empty number that has to be one: then it is its default."""
        if value is None and NONE not in self.parameter.type.split(" | "):
            return None
        return f"{self.name}={NONE if value is None else value}"


def control_of(parameter: Parameter) -> Control | None:
    """How a parameter is set; None for a word of any kind: files of this machine are not named there."""
    types = [name for name in parameter.type.split(" | ") if name != NONE]
    if types == ["bool"]:
        optional = NONE in parameter.type.split(" | ")
        return Control(parameter, "choice", (NONE, "true", "false")) if optional else Control(parameter, "switch")
    if len(types) == 1 and types[0] in NUMBERS:
        return Control(parameter, "whole" if types[0] == "int" else "number")
    if {"str", *NUMBERS} & set(types):
        return None
    return Control(parameter, "choice", tuple(parameter.type.split(" | ")))


def controls_of(cls: type[Any]) -> list[Control]:
    """The controls of a dataclass, one for each field that can be set."""
    found = map(control_of, parameters_of(cls))
    return [control for control in found if control is not None]
