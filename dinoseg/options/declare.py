"""How options are declared: their types on the command line, their checks, and keywords from their fields."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from cyclopts import Parameter, Token

from dinoseg.errors import OptionError
from dinoseg.files import home_path

P = ParamSpec("P")
X = TypeVar("X")
Y = TypeVar("Y")
O = TypeVar("O")
R = TypeVar("R")


def whole_number(type_: object, tokens: Sequence[Token]) -> int:  # noqa: ARG001 (how cyclopts calls a converter)
    """An integer and nothing else: cyclopts by itself would round 1.5 to 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is not a whole number.") from None


MOST = 2**63 - 1
"""Whole numbers are not beyond 64 bits, which is what torch and numpy count with."""

Whole = Annotated[int, Parameter(converter=whole_number)]
Flag = Parameter(negative="")

FREE = {"decides": False}
"""Metadata of a field that says how a result comes about, not what it is: a run may go on with another value of it."""

WHERE_SET = {"decides": "where set"}
"""Metadata of a field that decides results where it is not its default: runs from before it was added go on."""

RECORDED = "recorded"
"""Key of a field's metadata: the attribute that tells what the value comes to, where it leaves that open."""


def countable(kind: type, value: object) -> bool:
    """Whether a value is a number of that kind, ``int`` or ``float``: finite, and whole ones within 64 bits."""
    if isinstance(value, bool) or not isinstance(value, Integral if kind is int else Real):
        return False
    return abs(int(value)) <= MOST if isinstance(value, Integral) else math.isfinite(value)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of all options: what is declared as a number is one, before any range is looked at."""

    def __post_init__(self) -> None:
        for name, hint in number_fields(type(self)).items():
            value, kind = getattr(self, name), int if int in leaves(hint) else float
            if value is None and NoneType in leaves(hint):
                continue
            several = isinstance(value, tuple | list) and any(get_origin(x) is tuple for x in (hint, *get_args(hint)))
            range_ = f"a whole number within {MOST}" if kind is int else "a finite number"
            for each in value if several else (value,):
                require(countable(kind, each), f"--{name.replace('_', '-')}", each, range_)


def number_fields(options: type[Options]) -> dict[str, Any]:
    """Types, by their names, of the fields that hold numbers, one or several."""
    hints = get_type_hints(options)
    return {x.name: hints[x.name] for x in fields(options) if {int, float} & set(leaves(hints[x.name]))}


def leaves(hint: Any) -> list[Any]:
    """The plain types that a hint is made of."""
    return [leaf for each in get_args(hint) for leaf in leaves(each)] or [hint]


def require(fine: bool, name: str, value: object, range_: str) -> None:
    """Raise ``OptionError`` naming the option, its value and the allowed range unless ``fine``."""
    if not fine:
        raise OptionError(f"{name} {value} is out of range: it must be {range_}.")


def values(options: Options, kind: type[Options] | None = None) -> dict[str, Any]:
    """The options by name, as a report has them: of a method object its class.

    With ``kind``, a base of their class, only those that are declared there.
    """
    found = {field.name: getattr(options, field.name) for field in fields(kind or options)}
    return {name: type(value).__qualname__ if is_dataclass(value) else value for name, value in found.items()}


def identity(options: Options, kind: type[Options] | None = None) -> dict[str, Any]:
    """``values`` of the options that decide a result: all but those that are ``FREE``, or ``WHERE_SET`` and not set."""
    unset = {x.name for x in fields(options) if x.metadata == WHERE_SET and getattr(options, x.name) == x.default}
    told = values(options, kind)
    for field in fields(options):
        if RECORDED in field.metadata and field.name in told:
            told[field.name] = getattr(options, field.metadata[RECORDED])
    return {name: value for name, value in told.items() if name not in free(type(options)) | unset}


def free(options: type[Options]) -> frozenset[str]:
    """Names of the options that are ``FREE``."""
    return frozenset(field.name for field in fields(options) if not field.metadata.get("decides", True))


def with_options(options: Callable[P, O]) -> Callable[[Callable[[X, O], R]], Callable[Concatenate[X, P], R]]:
    """Let ``function(x, options)`` be called as ``function(x, **fields)``.

    mypy sees the fields' names and types, ``help`` and an IDE their defaults too.
    """

    def decorate(function: Callable[[X, O], R]) -> Callable[Concatenate[X, P], R]:
        @wraps(function)
        def call(x: X, /, *args: P.args, **kwargs: P.kwargs) -> R:
            turn_into_paths(options, kwargs)
            return function(x, options(*args, **kwargs))

        show_keywords(call, function, options)
        return call

    return decorate


def with_options_after_two(
    options: Callable[P, O],
) -> Callable[[Callable[[X, Y, O], R]], Callable[Concatenate[X, Y, P], R]]:
    """``with_options`` for a ``function(x, y, options)``."""

    def decorate(function: Callable[[X, Y, O], R]) -> Callable[Concatenate[X, Y, P], R]:
        @wraps(function)
        def call(x: X, y: Y, /, *args: P.args, **kwargs: P.kwargs) -> R:
            turn_into_paths(options, kwargs)
            return function(x, y, options(*args, **kwargs))

        show_keywords(call, function, options)
        return call

    return decorate


def show_keywords(call: Callable[..., object], function: Callable[..., object], options: Callable[..., object]) -> None:
    """Give ``call`` the signature of ``function`` with the fields of ``options`` in the place of the last parameter."""
    own = inspect.signature(function)
    *first, _ = own.parameters.values()
    keywords = inspect.signature(options).parameters.values()
    call.__signature__ = own.replace(parameters=[*first, *keywords])  # type: ignore[attr-defined]


def turn_into_paths(options: Callable[..., object], keywords: dict[str, Any]) -> None:
    """In Python a path may be a string, ``~`` included: make those keywords a ``Path`` that are one in the class."""
    for name, type_ in get_type_hints(options).items():
        if Path in (type_, *get_args(type_)) and isinstance(keywords.get(name), str):
            keywords[name] = home_path(keywords[name])
