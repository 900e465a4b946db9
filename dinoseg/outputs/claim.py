"""Whose a folder is: one set of options at a time, and nothing among files of somebody else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from dinoseg.errors import OutputConflict
from dinoseg.files import read_back
from dinoseg.outputs import FORMATS

RUN = "run.json"
HEADS, SIMILARITY = "heads", "similarity"
"""Folders of what ``attend`` writes; ``segment`` leaves them alone."""
SHARDS = "shards"
"""Folder of the shards that are merged into the one it lies in."""


def read_run(root: Path) -> dict[str, Any] | None:
    """What ``run.json`` holds, or None when there is none of ours."""
    run = read_back(root / RUN)
    return run if isinstance(run, dict) and isinstance(run.get("id"), str) else None


def refuse_foreign(root: Path) -> None:
    """Raise ``OutputConflict`` for a folder with files but without our ``run.json``; hidden ones and figures may be."""
    names = [path.name for path in root.iterdir() if not path.name.startswith(".")]
    if read_run(root) is None and set(names) - {HEADS, SIMILARITY, SHARDS}:
        raise OutputConflict(
            f"{root} holds files that are not dinoseg's; name another folder, or --overwrite to write among them."
        )


def refuse_results(inputs: Sequence[str | Path], output: Path, folders: Collection[str] = FORMATS.keys()) -> None:
    """Raise ``OutputConflict`` for an input that is a result of this very output folder: each run would add more."""
    root = output.resolve()
    for name in inputs:
        place = Path(name).resolve()
        if place.is_relative_to(root) and place.relative_to(root).parts[:1] in {(folder,) for folder in folders}:
            raise OutputConflict(f"{name} holds results of {output}: name the photographs, or another --output.")
