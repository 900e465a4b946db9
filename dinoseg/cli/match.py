"""``dinoseg match``: what in one photograph's object belongs to what in another's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dinoseg.cli.arguments import MODEL, OUTPUT
from dinoseg.cli.console import inform, tell, tell_json
from dinoseg.options import MatchOptions, PictureOptions


def match(
    first: Annotated[Path, Parameter(help="A photograph.")],
    second: Annotated[Path, Parameter(help="Another one, of the like.")],
    /,
    *,
    output: Annotated[PictureOptions, OUTPUT],
    options: Annotated[MatchOptions | None, MODEL] = None,
) -> None:
    """Pairs of patches in the objects of two photographs that look like each other, drawn side by side, and as JSON."""
    options = options or MatchOptions()
    from dinoseg.cli.before import before_match

    before_match((first, second), options, output)
    from dinoseg.correspondence.matching import match_images

    matches = match_images(first, second, options)
    paths = matches.save(output.output)
    inform(f"{len(matches.pairs)} of {matches.found} pairs")
    if output.json:
        tell_json({**matches.to_dict(), "results": paths})
    else:
        for path in paths:
            tell(path)
