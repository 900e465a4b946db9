"""``dino-seg``: the largest piece of what one attention head looks at (baseline of LOST: Simeoni et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dinoseg.methods.base import NetworkMethod, View, nothing, require_head
from dinoseg.methods.grid import components, largest
from dinoseg.methods.score import sharp
from dinoseg.methods.threshold import mass_mask, min_max
from dinoseg.options import require
from dinoseg.types import Proposals

if TYPE_CHECKING:
    from dinoseg.backbone.spec import BackboneSpec


@dataclass(frozen=True)
class DinoSeg(NetworkMethod):
    """DINO-seg, LOST's baseline: the largest piece of the patches that hold 60 % of one head's CLS attention.

    The published head is number 4 of 6; another network may look elsewhere with it.

    Score: correlation of the mask with the head's attention.
    """

    needs_attention: ClassVar[bool] = True

    head: int = 4
    """The head, counted from 0."""
    mass: float = 0.6
    """Share of the attention that is kept, above 0 and up to 1."""
    published: bool = False
    """As the published program has it: never the last piece, and what is left over if there is but one."""

    def __post_init__(self) -> None:
        require(self.head >= 0, "--param head", self.head, "0 or more")
        require(0 < self.mass <= 1, "--param mass", self.mass, "above 0 and up to 1")

    def check(self, spec: BackboneSpec) -> None:
        """Raise ``OptionError`` for a head that the network does not have."""
        super().check(spec)
        require_head(self.head, spec.heads)

    def propose(self, view: View) -> Proposals:
        """One object at most."""
        attention = view.attention[self.head]  # (gh, gw)
        if min_max(attention) is None:
            return nothing("no_object")
        kept = mass_mask(attention, self.mass)
        pieces = components(kept)
        if self.published:
            pieces = pieces[:-1] or [~kept]
        mask = largest(pieces)
        if mask.all() or not mask.any():
            return nothing("no_object")
        return Proposals((sharp(mask, attention, f"largest of {len(pieces)} pieces of head {self.head}"),))
