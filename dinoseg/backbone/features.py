"""What a network gave for a batch of images: the seam between encoding and proposing.

No torch here. Arrays are of any library of the array API (data-apis.org/array-api): torch tensors where a network runs
in torch, numpy arrays where it runs elsewhere. Whoever reads them asks ``array_api_compat.array_namespace``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import array_api_compat
import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

FACETS = ("query", "key", "value", "token")
Array: TypeAlias = Any
"""An array of a library that speaks the array API."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What one batch of equal shape gave. Arrays live on the network's device."""

    attention: Array | None
    """CLS attention of the last layer to the patches, ``(B, heads, gh, gw)``; not renormalised after leaving out
    the columns of CLS and registers. None for a network without a CLS token."""
    family: str
    patch: int
    facets: dict[str, Array] = field(default_factory=dict)
    """``query``, ``key``, ``value`` (with bias, before RoPE), ``token`` (after the final norm): ``(B, gh, gw, d)``."""
    cls: Array | None = None
    """Embedding of the image, ``(B, d)``, when it was asked for: the CLS token after the final norm, or the pooled map
    of a network without one."""

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches, ``(gh, gw)``."""
        if self.attention is not None:
            return self.attention.shape[-2], self.attention.shape[-1]
        return next(iter(self.facets.values())).shape[1], next(iter(self.facets.values())).shape[2]

    @property
    def arrays(self) -> list[Array]:
        """All that there is, each ``(B, ...)``."""
        return [each for each in (self.attention, *self.facets.values(), self.cls) if each is not None]

    def __len__(self) -> int:
        return len(self.arrays[0])

    def map(self, function: Callable[[Array], Array]) -> Features:
        """The same with what a function makes of each array."""
        attention, cls = (None if each is None else function(each) for each in (self.attention, self.cls))
        facets = {name: function(facet) for name, facet in self.facets.items()}
        return replace(self, attention=attention, facets=facets, cls=cls)

    def take(self, images: slice | Sequence[int]) -> Features:
        """Some images of the batch."""
        return self.map(lambda array: array[images])

    def split(self) -> list[Features]:
        """Each image by itself; nothing is copied."""
        return [self.take(slice(index, index + 1)) for index in range(len(self))]

    def finite(self) -> list[bool]:
        """Per image: whether everything that the network gave is a number."""
        xp = array_namespace(self.arrays[0])
        return [all(bool(xp.all(xp.isfinite(array[index]))) for array in self.arrays) for index in range(len(self))]


def concat(parts: Sequence[Features]) -> Features:
    """Images of one grid from one network as one batch; a single part is that batch."""
    if len(parts) == 1:
        return parts[0]
    first, xp = parts[0], array_namespace(parts[0].arrays[0])
    facets = {name: xp.concat([part.facets[name] for part in parts]) for name in first.facets}
    cls = None if first.cls is None else xp.concat([part.cls for part in parts])
    attention = None if first.attention is None else xp.concat([part.attention for part in parts])
    return replace(first, attention=attention, facets=facets, cls=cls)


def single(array: Array) -> Array:
    """The array in float32."""
    xp = array_namespace(array)
    return xp.astype(array, xp.float32, copy=False)


def like(array: NDArray[Any], other: Array) -> Array:
    """A numpy array in float32, in the library and on the device of another."""
    xp = array_namespace(other)
    return xp.asarray(array.astype(np.float32), device=array_api_compat.device(other))


def to_numpy(array: Array, dtype: type[np.floating[Any]] = np.float64) -> NDArray[Any]:
    """Any array of real numbers, of any library and device, by way of float32."""
    return np.asarray(array_api_compat.to_device(single(array), "cpu")).astype(dtype, copy=False)
