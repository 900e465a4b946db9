"""What a network gave for a batch of images: the seam between encoding and proposing.

No torch here. Arrays are of any library of the array API (data-apis.org/array-api): torch tensors where a network runs
in torch, numpy arrays where it runs elsewhere. Whoever reads them asks ``array_api_compat.array_namespace``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

FACETS = ("query", "key", "value", "token")
Array: TypeAlias = Any
"""An array of a library that speaks the array API."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What one batch of equal shape gave. Arrays live on the network's device."""

    attention: Array
    """CLS attention of the last layer to the patches, ``(B, heads, gh, gw)``; not renormalised after leaving out
    the columns of CLS and registers."""
    family: str
    patch: int
    facets: dict[str, Array] = field(default_factory=dict)
    """``query``, ``key``, ``value`` (with bias, before RoPE), ``token`` (after the final norm): ``(B, gh, gw, d)``."""
    cls: Array | None = None
    """CLS token after the final norm, ``(B, d)``, when it was asked for."""

    @property
    def grid(self) -> tuple[int, int]:
        """``(gh, gw)`` patches."""
        return self.attention.shape[-2], self.attention.shape[-1]

    def __len__(self) -> int:
        return len(self.attention)
