"""``dinoseg compare``: two reports of ``evaluate`` against each other."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dinoseg.cli.arguments import Json
from dinoseg.cli.console import tell, tell_json


def compare(
    first: Annotated[Path, Parameter(help="Folder of a report (`dinoseg evaluate --output`).")],
    second: Annotated[Path, Parameter(help="Folder of another over the same pictures.")],
    /,
    *,
    json: Json = False,
) -> None:
    """What the second report is better by, with a paired interval over pictures or videos."""
    from dinoseg.evaluation.compare import compare, to_markdown

    differences = compare(first, second)
    if json:
        tell_json([asdict(difference) for difference in differences])
    else:
        for line in to_markdown(differences).splitlines():
            tell(line)
