"""``attention``: where the CLS token looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dinoseg.methods.base import NetworkMethod, View, nothing, one, require_head
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.grid import smooth
from dinoseg.methods.score import agreement
from dinoseg.methods.threshold import mass_mask, otsu_soft
from dinoseg.options import require
from dinoseg.types import Proposals

if TYPE_CHECKING:
    from dinoseg.backbone.spec import BackboneSpec


@dataclass(frozen=True)
class AttentionMap(NetworkMethod):
    """CLS attention of the last layer, its heads fused without labels, cut at Otsu's threshold or by mass.

    With ``threshold=mass``, ``head=0`` and ``blur=0`` it is the picture of Caron et al. (2021, Fig. 4).

    Score: correlation of the mask with the soft mask, times that with the attention map.
    """

    needs_attention: ClassVar[bool] = True

    threshold: Literal["otsu", "mass"] = "otsu"
    """Otsu's threshold, or the smallest set of patches that holds `mass` of the attention."""
    mass: float = 0.6
    """Share of the attention that threshold=mass keeps, above 0 and up to 1."""
    head: int | None = None
    """One head, counted from 0 (default: all heads, fused)."""
    blur: float = 1.0
    """Gaussian over the map, sigma in patches (0: none)."""

    def __post_init__(self) -> None:
        require(0 < self.mass <= 1, "--param mass", self.mass, "above 0 and up to 1")
        require(self.head is None or self.head >= 0, "--param head", self.head, "0 or more")
        require(0 <= self.blur <= 16, "--param blur", self.blur, "0..16 patches")

    def check(self, spec: BackboneSpec) -> None:
        """Raise ``OptionError`` for a head that the network does not have."""
        super().check(spec)
        require_head(self.head, spec.heads)

    def propose(self, view: View) -> Proposals:
        """One object at most."""
        map_ = self.map_of(view.attention)  # (gh, gw)
        mass = self.threshold == "mass"
        soft = mass_mask(map_, self.mass).astype(np.float32) if mass else otsu_soft(map_, view.fit)
        if soft is None or not soft.any():
            return nothing("no_object")
        told = "heads fused" if self.head is None else f"head {self.head}"
        return one(soft, agreement(soft, map_), f"CLS attention, {told}, threshold by {self.threshold}")

    def map_of(self, attention: NDArray[np.float64]) -> NDArray[np.float64]:
        """The map to cut, ``(gh, gw)``."""
        return fuse_heads(attention, self.blur) if self.head is None else smooth(attention[self.head], self.blur)
