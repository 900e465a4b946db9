"""What the verbs share on the command line: positional images, panels of ``--help``, how defaults are shown."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter


def show_default(value: object) -> str | None:
    """A default as a user would type it; nothing where "off" or "not given" goes without saying."""
    if value is None or value == () or isinstance(value, bool):
        return None
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


DEFAULTS = Parameter(show_default=show_default, negative_iterable=())

INPUT = Parameter(group=Group("Input", sort_key=1))
OUTPUT = Parameter(group=Group("Output", sort_key=2))
OBJECTS = Parameter(group=Group("Objects", sort_key=4))
MODEL = Parameter(group=Group("Model", sort_key=5))
RECIPE = Parameter(group=Group("Recipe", sort_key=5))

IMAGES = Parameter(help="Files, folders and globs ('photos/**/*.jpg').")
Json = Annotated[bool, OUTPUT, Parameter(negative="", help="Print one machine-readable summary on stdout.")]
QUIET = ("--quiet", "-q")
Quiet = Annotated[
    bool, OUTPUT, Parameter(name=QUIET, negative="", help="Only failures and errors on stderr: no progress, no counts.")
]
Tokens = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]
