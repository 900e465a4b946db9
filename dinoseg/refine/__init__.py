"""How soft masks are fitted to the photograph: one file per refinement, one line each in ``REFINEMENTS``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dinoseg.images.fit import to_photo
from dinoseg.refine.pieces import without_crumbs
from dinoseg.registry import Registry
from dinoseg.types import Fit, Photo

REFINEMENTS = Registry(
    "--refine",
    {
        "guided": "dinoseg.refine.guided:guided_filter",
        "bilateral": "dinoseg.refine.bilateral:bilateral_solver",
        "crf": "dinoseg.refine.crf:dense_crf",
        "none": "",
    },
)
"""Name -> ``module:function`` that takes (soft, photo, fit) and gives ``(H, W)`` in 0..1."""
KEPT = 0.5
"""A refined mask whose IoU with the mask before is below this has lost the object."""
WHOLE = 0.99
"""Share of the frame above which a mask is all of it."""
REFUSED = "refinement lost an object, which is left unrefined"
"""The note of a photograph of which a refined mask was refused."""


class Refined(NamedTuple):
    """A mask at full size."""

    soft: NDArray[np.float32]
    """``(H, W)`` in 0..1; the mask is where it is above 0.5."""
    refused: bool = False
    """The refinement lost the object: ``soft`` is the map before it, upsampled."""


def refine(name: str, soft: NDArray[np.float32], photo: Photo, fit: Fit) -> Refined:
    """A soft mask ``(mh, mw)`` over the padded frame -> the same over the upright photo.

    Crumbs and pinholes of a refined mask are taken away. A refinement that loses the object is refused: then, and with
    ``none``, the map is upsampled bilinearly and left at that. Every refinement needs less than 14 bytes a pixel of
    the photo at its peak, beside the photo (measured at 48 megapixels).
    Raises ``OptionError`` for an unknown name.
    """
    REFINEMENTS.check(name)
    plain = to_photo(soft, fit)  # (H, W)
    if not REFINEMENTS[name]:
        return Refined(plain)
    refined: NDArray[np.float32] = REFINEMENTS.load(name)(soft, photo, fit)
    if not agree(plain > 0.5, refined > 0.5):
        return Refined(plain, refused=True)
    del plain
    return Refined(without_crumbs(refined))


def has_edge(mask: NDArray[np.bool_]) -> bool:
    """Whether a mask is neither empty nor, but for a sliver, the whole frame: then it is no object."""
    return bool(0 < np.count_nonzero(mask) <= WHOLE * mask.size)


def agree(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> bool:
    """Whether two masks of one shape share most of their object, and what had an edge still has; two empty ones do."""
    if has_edge(before) and after.any() and not has_edge(after):
        return False
    return bool(np.count_nonzero(before & after) >= KEPT * np.count_nonzero(before | after))
