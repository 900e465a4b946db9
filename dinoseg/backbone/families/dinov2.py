"""``dinov2``: DINOv2 without registers (Oquab et al. 2023), and the built-in model made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dinoseg.backbone.families.vit import ViTFamily

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class DinoV2(ViTFamily):
    """All keys point in one direction, so methods work on final tokens, or on keys less their mean.

    Its coefficients of presence are what ``benchmarks/presence.py --fit`` prints: even halves of four data sets, the
    built-in model and the ViT-S/14 together. Larger networks of the family were not measured.
    """

    def recognises(self, state: Mapping[str, Tensor]) -> bool:
        """A ViT with LayerScale."""
        return "blocks.0.ls1.gamma" in state


DINOV2 = DinoV2(name="dinov2", facet="token", centred=("key",), presence=(-15.365, 1.686, 14.587))
