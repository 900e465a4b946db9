"""What can be had by name: methods, refinements, formats, protocols, families. Nothing is loaded until it is asked for.

A registry is a plain dict of names and places (``module:attribute``), so that others may add to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from dinoseg.errors import OptionError
from dinoseg.files import EMPTY


class Registry(dict[str, str]):
    """Places by name; ``what`` is how messages call a name (``--method``)."""

    def __init__(self, what: str, places: dict[str, str]) -> None:
        super().__init__(places)
        self.what = what

    def check(self, name: str) -> None:
        """Raise ``OptionError``, with the nearest name, for one that is not there."""
        if name not in self:
            raise OptionError(unknown(f"{self.what} {name or EMPTY} is unknown.", name, self))

    def load(self, name: str) -> Any:
        """What lies at the place of that name. Raises ``OptionError`` as ``check`` does."""
        self.check(name)
        module, _, attribute = self[name].partition(":")
        return getattr(import_module(module), attribute)


def unknown(message: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that is not there: what was asked, the nearest name, all names."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    guess = f" Did you mean {near[0]}?" if near else ""
    return f"{message}{guess} There are: {', '.join(names) or 'none'}."
