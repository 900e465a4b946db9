"""How a run over many photographs or frames ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dinoseg.types import Failure


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Summary:
    """The counts of a run over a folder."""

    done: int
    """Photographs that now have results, those with no object included."""
    skipped: int
    """Done by an earlier run of the same command."""
    failed: int
    failures: tuple[Failure, ...]
    """Of a run that has a manifest the first hundred; the manifest has all."""
    empty: int = 0
    """Of those done: with no object."""
    ignored: int = 0
    """Files beside the photographs that are no images."""
    device: str
    seconds: float
    stages: Mapping[str, float] = field(default_factory=dict)
    """Seconds by stage, summed over photographs; decode and refine run beside the network."""
    notes: tuple[str, ...] = ()
    """What was done to inputs that a person should know of."""
