"""``dinoseg merge``: the results of shards in one folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dinoseg.cli.arguments import Json
from dinoseg.cli.console import say_counts, tell_json, tell_table
from dinoseg.cli.exits import of_counts


def merge(
    output: Annotated[Path, Parameter(help="Folder that the shards were made for (`segment --output`).")],
    /,
    *,
    json: Json = False,
) -> int:
    """Results of all shards (`segment --shard I/N`) in one folder, as one run would leave them.

    Every shard has to have ended. Files are linked, where the system can, and `shards` may be removed afterwards.
    """
    from dinoseg.outputs.shards import merge_shards

    merged = merge_shards(output)
    counts = {"done": merged.done, "of these without an object": merged.empty, "failed": merged.failed}
    say_counts(counts, f"; of {merged.shards} shards")
    if json:
        tell_json(asdict(merged))
    else:
        tell_table(merged.results.items())
    return of_counts(merged.done, merged.failed)
