"""``attention-jaccard``: how well single attention heads outline objects (Caron et al. 2021, Fig. 4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinoseg.attention import fuse
from dinoseg.evaluation.floors import FLOORS
from dinoseg.evaluation.metrics import Mask, jaccard
from dinoseg.evaluation.protocols import ORACLE, Protocol
from dinoseg.evaluation.samples import Truth
from dinoseg.images.fit import to_photo
from dinoseg.methods.threshold import mass_mask
from dinoseg.types import Segmentation

MASS = 0.6


def measure(truth: Truth, result: Segmentation) -> dict[str, float]:
    """The heads' masks, their mean's and the floors against every object, averaged over the objects."""
    assert result.attention is not None
    objects = truth.objects()
    if not objects:
        return {}

    def over_objects(*masks: Mask) -> float:
        return float(np.mean([max(jaccard(mask, thing, truth.void) for mask in masks) for thing in objects]))

    heads = head_masks(result)
    values = {f"{ORACLE} best head per object": over_objects(*heads)}
    values["mean of heads"] = over_objects(mass_on_photo(fuse(result.attention), result))
    values |= {f"head {number}": over_objects(head) for number, head in enumerate(heads)}
    return values | {name: over_objects(draw(result.size)) for name, draw in FLOORS.items()}


def head_masks(result: Segmentation) -> list[Mask]:
    """The 60 % mass mask of each attention head, ``(H, W)``."""
    assert result.attention is not None
    return [mass_on_photo(head, result) for head in result.attention]


def mass_on_photo(attention: NDArray[np.float32], result: Segmentation) -> Mask:
    """60 % mass mask of one map ``(gh, gw)``, by nearest neighbour in the frame of the photograph, ``(H, W)``."""
    return to_photo(mass_mask(attention, MASS).astype(np.float32), result.fit, nearest=True) > 0.5


ATTENTION_JACCARD = Protocol(
    "Jaccard of last-layer CLS attention (Caron et al. 2021, Fig. 4): masks that hold 60 % of a head's attention, "
    "compared in the frame of the photograph by nearest neighbour, void left out. Objects are instances, crowds are "
    f"none. {ORACLE}: for each object the ground truth picks the best head. Label-free beside it: the mean of the "
    "heads, and each head fixed over all pictures. Averaged over the objects of a picture, then over the pictures that "
    "have objects. The paper leaves open, and here is: instances rather than class masks, aspect kept, the best head "
    "per object.",
    measure,
    method="attention",
)
