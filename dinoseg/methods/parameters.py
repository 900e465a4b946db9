"""The parameters of a method: fields of its dataclass, told to people and read from ``name=value``."""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import dataclass, fields
from itertools import pairwise
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from dinoseg.errors import OptionError
from dinoseg.options import Parameters, as_words, countable
from dinoseg.registry import unknown

BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a method."""

    name: str
    type: str
    """``float``, ``otsu | mass``, ``int | none`` ..."""
    default: Any
    help: str


def parameters_of(cls: type[Any]) -> tuple[Parameter, ...]:
    """Name, type, default and attribute docstring of every field of a dataclass."""
    hints, docs = get_type_hints(cls), attribute_docs(cls)
    return tuple(Parameter(f.name, type_name(hints[f.name]), f.default, docs.get(f.name, "")) for f in fields(cls))


def attribute_docs(cls: type[Any]) -> dict[str, str]:
    """The string below each annotated attribute, of the class and its bases."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for field, text in pairwise(body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    docs[name] = inspect.cleandoc(said).replace("\n", " ")
    return docs


def type_name(hint: Any) -> str:
    """A type as messages and ``dinoseg methods`` name it: ``float``, ``int | none``."""
    if hint is NoneType:
        return "none"
    if get_origin(hint) is Literal:
        return " | ".join(map(str, get_args(hint)))
    return hint.__name__ if isinstance(hint, type) else " | ".join(map(type_name, get_args(hint)))


def parse_parameters(cls: type[Any], method: str, given: Parameters) -> dict[str, Any]:
    """``("tau=0.3",)`` -> ``{"tau": 0.3}``, by the fields of ``cls``. Raises ``OptionError``."""
    hints = get_type_hints(cls)
    known = [field.name for field in fields(cls)]
    values: dict[str, Any] = {}
    for item in as_words(given):
        name, equals, text = item.partition("=")
        if not equals:
            raise OptionError(f"--param {item} must be name=value, for instance --param {example(cls)}.")
        if name not in known:
            raise OptionError(unknown(f"--method {method} has no parameter {name!r}.", name, known))
        if name in values:
            raise OptionError(f"--param {name} is given twice.")
        values[name] = parse(hints[name], text, f"--param {item}")
    return values


def parse(hint: Any, text: str, told: str) -> Any:
    """A value of the hinted type from its text. Raises ``OptionError`` that begins with ``told``."""
    for kind in get_args(hint) if get_origin(hint) not in (None, Literal) else (hint,):
        try:
            return parse_one(kind, text)
        except ValueError:
            continue
    raise OptionError(f"{told}: {text!r} is not {type_name(hint)}.")


def parse_one(kind: Any, text: str) -> Any:
    """A value of one plain type. Raises ``ValueError``."""
    choices: dict[str, Any] | None = None
    if kind is NoneType:
        choices = {"none": None}
    elif kind is bool:
        choices = BOOLS
    elif get_origin(kind) is Literal:
        choices = {str(choice): choice for choice in get_args(kind)}
    if choices is None:
        value = kind(text)
        if kind in (int, float) and not countable(kind, value):
            raise ValueError(text)
        return value
    if text.lower() not in choices:
        raise ValueError(text)
    return choices[text.lower()]


def example(cls: type[Any]) -> str:
    """``name=default`` of the first field that has one."""
    return next((f"{field.name}={field.default}" for field in fields(cls) if field.default is not None), "name=value")
