"""Labels that mean the same in every photograph of a folder: regions described, clustered, drawn (no class names).

store (descriptors on disk) -> clusters (k-means beyond memory) -> files (label maps, overlays); run (both passes)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dinoseg.grouping.run import GroupReport, group_folder
from dinoseg.options import GroupOptions, with_options

__all__ = ["GroupReport", "group", "group_folder"]


@with_options(GroupOptions)
def group(photographs: str | Path | Sequence[str | Path], options: GroupOptions) -> GroupReport:
    """Group the objects of a folder, file or glob, or of several. Keywords are those of ``GroupOptions``.

    Raises ``UsageError`` before anything is written; photographs that fail are in the report.
    """
    inputs = [photographs] if isinstance(photographs, str | Path) else photographs
    return group_folder(inputs, options)
