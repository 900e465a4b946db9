"""What the objects of any method look like, as one vector each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoseg.backbone.features import Features, to_numpy
from dinoseg.method import Method
from dinoseg.methods.base import unit
from dinoseg.types import Fit, Photo, Proposals

if TYPE_CHECKING:
    from dinoseg.backbone.spec import BackboneSpec


@dataclass(frozen=True)
class Described:
    """Another method, whose objects get descriptors: the mean of the unit patch tokens under the mask, scaled to 1.

    Deep spectral segmentation takes the CLS token of each object's crop instead, one more pass of the network each.
    """

    method: Method

    needs_network: ClassVar[bool] = True

    @property
    def in_torch(self) -> bool:
        """As the method."""
        return getattr(self.method, "in_torch", False)

    def facets(self, family: str) -> tuple[str, ...]:
        """Those of the method, and the tokens."""
        return tuple(dict.fromkeys((*self.method.facets(family), "token")))

    def check(self, spec: BackboneSpec) -> None:
        """See ``Method``."""
        self.method.check(spec)

    def identity(self) -> dict[str, object]:
        """That of the method: descriptors decide nothing about its objects."""
        return self.method.identity()

    def __call__(self, features: Features | None, photos: Sequence[Photo], fits: Sequence[Fit]) -> list[Proposals]:
        """See ``Method``."""
        if features is None:
            raise ValueError("descriptors need the features of a network")
        found = self.method(features, photos, fits)
        return [described(proposals, to_numpy(features.facets["token"][i])) for i, proposals in enumerate(found)]


def described(proposals: Proposals, tokens: NDArray[np.float64]) -> Proposals:
    """The objects of one image with descriptors from its tokens ``(gh, gw, d)``."""
    return replace(
        proposals, objects=tuple(replace(p, descriptor=descriptor(p.soft, tokens)) for p in proposals.objects)
    )


def descriptor(soft: NDArray[np.float32], tokens: NDArray[np.float64]) -> NDArray[np.float32]:
    """Mean of the unit tokens ``(gh, gw, d)`` where the soft mask is above 0.5, of length 1, ``(d,)``.

    A mask ``(mh, mw)`` that is above 0.5 at no patch counts wherever it is largest.
    """
    height, width = tokens.shape[:2]
    on_grid = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)  # (gh, gw)
    inside = on_grid > min(0.5, float(np.nextafter(on_grid.max(), np.float32(0))))
    return unit(unit(tokens[inside]).mean(axis=0, keepdims=True))[0].astype(np.float32)
