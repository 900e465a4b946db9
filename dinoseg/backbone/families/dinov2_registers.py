"""``dinov2-registers``: DINOv2 with registers (Darcet et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dinoseg.backbone.families.vit import ViTFamily

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class DinoV2Registers(ViTFamily):
    """Presence is not calibrated: registers take another share of the CLS attention."""

    def recognises(self, state: Mapping[str, Tensor]) -> bool:
        """A ViT with a table of positions and registers."""
        return "reg_token" in state


DINOV2_REGISTERS = DinoV2Registers(name="dinov2-registers", facet="token", centred=("key",), positions="antialias")
