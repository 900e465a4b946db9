"""``head``: a small network on the patch features, which taught itself on unlabelled photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoseg.backbone.features import single, to_numpy
from dinoseg.files import sha256
from dinoseg.methods.base import NetworkMethod, facet_for, nothing, one
from dinoseg.methods.fusion import fuse_heads
from dinoseg.methods.head_weights import head_file, load_head
from dinoseg.methods.score import agreement
from dinoseg.types import Fit, Proposals

if TYPE_CHECKING:
    from dinoseg.backbone.features import Features
    from dinoseg.backbone.spec import BackboneSpec

SUREST = 0.02
"""Share of the cells: those that are most likely object. The others are judged by them ..."""
RAISED = 4.0
"""... but no probability is raised more than this ..."""
MOST = 0.5
"""... and none where more than this share of the picture would be object: nothing stands out then."""


@dataclass(frozen=True)
class SegmentationHead(NetworkMethod):
    """A small network on the patch features, which taught itself on unlabelled photographs (`dinoseg train-head`).

    It learned from the masks that `attention-cut` makes of them, on a backbone that stayed as it is: the idea of FOUND
    (Simeoni et al. 2023). What one mask gets wrong, the next one does not, so it learns what they have in common. Its
    masks are of cells finer than a patch. Where it is sure of nothing (noise, fog, night) probabilities are taken in
    units of those of the surest cells.

    Score: correlation of the mask with the soft mask, times that with the fused CLS attention, on the patch grid.
    """

    needs_attention: ClassVar[bool] = True

    weights: str | None = None
    """A file of `dinoseg train-head` (default: the head that ships for the built-in model)."""

    def facets(self, family: str) -> tuple[str, ...]:
        """The one that methods work on."""
        return (facet_for(family),)

    def check(self, spec: BackboneSpec) -> None:
        """Raise ``WeightsError`` if there is no such head, or it was trained on another network."""
        super().check(spec)
        load_head(self.weights, spec)

    def identity(self) -> dict[str, object]:
        """The SHA-256 of the file as well: another head may take its place under the same name."""
        return {**super().identity(), "head": sha256(head_file(self.weights))}

    def propose_batch(self, features: Features, fits: Sequence[Fit]) -> list[Proposals]:  # noqa: ARG002
        """One object at most in each image."""
        assert features.attention is not None
        (facet,) = (features.facets[name] for name in self.facets(features.family))
        maps = to_numpy(load_head(self.weights).maps(single(facet)), np.float32)  # (B, gh cells, gw cells)
        return [drawn(raised(soft), to_numpy(seen)) for soft, seen in zip(maps, features.attention, strict=True)]


def raised(soft: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of cells, in units of the mean of the surest, up to 1."""
    count = max(1, round(SUREST * soft.size))
    surest = np.partition(soft, -count, axis=None)[-count:].mean()
    more = np.minimum(soft / max(surest, 1 / RAISED), 1, dtype=np.float32)
    return more if (more > 0.5).mean() <= MOST else soft


def drawn(soft: NDArray[np.float32], attention: NDArray[np.float64]) -> Proposals:
    """The object of one image from the probability of each cell and the CLS attention ``(heads, gh, gw)``."""
    if not (soft > 0.5).any():
        return nothing("no_object")
    fused = fuse_heads(attention, blur=0)  # (gh, gw)
    on_grid = np.asarray(cv2.resize(soft, fused.shape[::-1], interpolation=cv2.INTER_AREA), np.float32)
    return one(soft, agreement(on_grid, fused), "a head trained on masks of attention-cut")
