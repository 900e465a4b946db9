"""An extension of griffe: functions that a decorator made are shown as they are called, with their true keywords."""

from __future__ import annotations

import inspect
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import griffe

import dinoseg


class Signatures(griffe.Extension):
    """Puts what ``help`` says into the place of what the source says, for the functions of ``dinoseg``."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Called once the package was read."""
        for name in dinoseg.__all__:
            function = getattr(dinoseg, name)
            if inspect.isfunction(function):
                module, _, _ = pkg[name].target_path.removeprefix("dinoseg.").rpartition(".")
                pkg[module].set_member(name, as_called(name, function))


def as_called(name: str, function: Any) -> griffe.Function:
    """A function by its signature and docstring."""
    signature = inspect.signature(function)
    parameters = [
        griffe.Parameter(
            each.name,
            annotation=text(each.annotation),
            kind=griffe.ParameterKind(str(each.kind.description)),
            default=None if each.default is each.empty else repr(each.default),
        )
        for each in signature.parameters.values()
    ]
    shown = griffe.Function(name, parameters=griffe.Parameters(*parameters), returns=text(signature.return_annotation))
    shown.docstring = griffe.Docstring(inspect.getdoc(function) or "", parent=shown)
    return shown


def text(annotation: Any) -> str | None:
    """A type as people write it, without what the command line adds to it."""
    if annotation is inspect.Parameter.empty:
        return None
    origin, inner = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, str) or origin is Literal:
        return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    if annotation in (None, type(None), ...):
        return "..." if annotation is ... else "None"
    if origin is Annotated:
        return text(inner[0])
    if origin in (Union, UnionType):
        return " | ".join(str(text(each)) for each in inner)
    if origin is not None:
        return f"{origin.__name__}[{', '.join(str(text(each)) for each in inner)}]"
    return annotation.__name__
