"""Reports of `dinoseg evaluate` in a folder of work: what has one there is not measured again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dinoseg.evaluation.run import command, run
from dinoseg.options import EvaluateOptions


def report_of(protocol: str, data: Path, options: EvaluateOptions) -> dict[str, Any]:
    """The report in the folder ``options.output``: of an earlier run of the same command, or made now.

    Raises ``DinosegError``.
    """
    assert options.output
    return kept(options.output, command(protocol, data, options)) or measured(protocol, data, options)


def kept(folder: Path, asked: str) -> dict[str, Any] | None:
    """The report of an earlier run of this command."""
    path = folder / "report.json"
    report = json.loads(path.read_text()) if path.exists() else None
    return report if report and report["command"] == asked else None


def measured(protocol: str, data: Path, options: EvaluateOptions) -> dict[str, Any]:
    """The report of a run now. Raises ``DinosegError``."""
    assert options.output
    with tqdm(desc=options.output.name, disable=None) as bar:
        report = run(protocol, data, options, lambda _, total: setattr(bar, "total", total) or bar.update())
    return report.to_json()


def slug(*parts: str) -> str:
    """A folder's name."""
    return re.sub(r"[^A-Za-z0-9.=]+", "-", " ".join(parts)).strip("-")
