"""``dinoseg methods``: how objects can be found."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dinoseg.cli.arguments import Json
from dinoseg.cli.console import inform, tell, tell_json, tell_table

if TYPE_CHECKING:
    from dinoseg.methods import Description


def methods(
    name: Annotated[str | None, Parameter(help="One of the methods: tell all about it.")] = None,
    /,
    *,
    json: Json = False,
) -> None:
    """The methods, or one method's parameters."""
    from dinoseg.methods import describe, describe_methods

    found = [describe(name)] if name is not None else describe_methods()
    if json:
        tell_json([asdict(description) for description in found])
    elif name is not None:
        tell_all(found[0])
    else:
        tell_table((description.name, description.summary) for description in found)
        inform("The built-in model's default is head, that of others attention-cut. `dinoseg methods NAME` tells more.")


def tell_all(method: Description) -> None:
    """Docstring and parameters of one method."""
    for line in method.text.splitlines():
        tell(line)
    tell()
    if method.parameters:
        tell("Parameters (--param name=value):")
        rows = [(p.name, p.type, "none" if p.default is None else p.default, p.help) for p in method.parameters]
        tell_table([("name", "value", "default", ""), *rows])
    else:
        tell("It has no parameters.")
