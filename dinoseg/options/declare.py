"""How options are declared: their types on the command line, their checks, and keywords from their fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, get_args, get_type_hints

from cyclopts import Parameter, Token

from dinoseg.errors import OptionError
from dinoseg.files import home_path

P = ParamSpec("P")
X = TypeVar("X")
O = TypeVar("O")
R = TypeVar("R")


def whole_number(type_: object, tokens: Sequence[Token]) -> int:  # noqa: ARG001 (how cyclopts calls a converter)
    """An integer and nothing else: cyclopts by itself would round 1.5 to 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is not a whole number.") from None


Whole = Annotated[int, Parameter(converter=whole_number)]
Flag = Parameter(negative="")
Items = Parameter(negative="", consume_multiple=False)


def require(fine: bool, name: str, value: object, range_: str) -> None:
    """Raise ``OptionError`` naming the option, its value and the allowed range unless ``fine``."""
    if not fine:
        raise OptionError(f"{name} {value} is out of range: it must be {range_}.")


def with_options(options: Callable[P, O]) -> Callable[[Callable[[X, O], R]], Callable[Concatenate[X, P], R]]:
    """Let ``function(x, options)`` be called as ``function(x, **fields)``; mypy sees the fields' names and types."""

    def decorate(function: Callable[[X, O], R]) -> Callable[Concatenate[X, P], R]:
        @wraps(function)
        def call(x: X, /, *args: P.args, **kwargs: P.kwargs) -> R:
            turn_into_paths(options, kwargs)
            return function(x, options(*args, **kwargs))

        return call

    return decorate


def turn_into_paths(options: Callable[..., object], keywords: dict[str, Any]) -> None:
    """In Python a path may be a string, ``~`` included: make those keywords a ``Path`` that are one in the class."""
    for name, type_ in get_type_hints(options).items():
        if Path in (type_, *get_args(type_)) and isinstance(keywords.get(name), str):
            keywords[name] = home_path(keywords[name])
