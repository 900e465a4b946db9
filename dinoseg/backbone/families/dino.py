"""``dino``: the first DINO (Caron et al. 2021), and every plain ViT without LayerScale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dinoseg.backbone.families.vit import ViTFamily

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Dino(ViTFamily):
    """Keys are the facet of the published methods (LOST, TokenCut)."""

    def recognises(self, state: Mapping[str, Tensor]) -> bool:  # noqa: ARG002
        """Any ViT that is of no other family."""
        return True


DINO = Dino(name="dino", facet="key")
