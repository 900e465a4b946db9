"""What the verbs share on the command line: positional images, panels of ``--help``, how defaults are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Group, Parameter

from dinoseg.errors import UsageError
from dinoseg.options import InputOptions, TrainOptions


def show_default(value: object) -> str | None:
    """A default as a user would type it; nothing where "off" or "not given" goes without saying."""
    if value is None or value == () or isinstance(value, bool):
        return None
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


DEFAULTS = Parameter(show_default=show_default, negative_iterable=())

INPUT = Parameter(group=Group("Input", sort_key=1))
OUTPUT = Parameter(group=Group("Output", sort_key=2))
MODEL = Parameter(group=Group("Model", sort_key=3))
RECIPE = Parameter(group=Group("Recipe", sort_key=3))

IMAGES = Parameter(help="Files, folders and globs ('photos/**/*.jpg').")
Json = Annotated[bool, OUTPUT, Parameter(negative="", help="Print one machine-readable summary on stdout.")]
Quiet = Annotated[
    bool, OUTPUT, Parameter(alias="-q", negative="", help="Only failures and errors on stderr: no progress, no counts.")
]
Tokens = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]


def check_named(images: Sequence[str], inputs: InputOptions | TrainOptions) -> None:
    """Raise ``UsageError`` if neither images nor a list file were named."""
    if not images and inputs.from_file is None:
        raise UsageError("Nothing to do: name files, folders or globs, or a list of them with --from-file.")
