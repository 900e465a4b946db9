"""``prior``: what colour and the border say without any network (robust background detection, Zhu et al. 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import csgraph_from_dense, shortest_path
from scipy.spatial.distance import cdist
from skimage.color import rgb2lab
from skimage.segmentation import slic

from dinoseg.images.fit import resize
from dinoseg.methods.base import BaseMethod, is_constant, nothing, one
from dinoseg.methods.grid import border_of
from dinoseg.methods.score import agreement
from dinoseg.methods.threshold import min_max, otsu_soft
from dinoseg.options import require
from dinoseg.types import Fit, Photo, Proposals

if TYPE_CHECKING:
    from dinoseg.backbone.features import Features

CELLS = 4
"""Cells of the map per patch, along each side."""
COMPACTNESS = 30.0
"""Of the superpixels: the weight of place against colour (Achanta et al. 2012)."""
GEODESIC = 10.0
"""CIELAB units within which superpixels count as one region."""
NEAR = 0.25
"""Deviation, in sides of the image, within which contrast counts."""
SMOOTH = 7.0
"""CIELAB units within which neighbours should have one saliency."""


@dataclass(frozen=True)
class Prior(BaseMethod):
    """Regions that differ from a background known by its long border with the image's frame; no network at all.

    The honest floor of every learned method.

    Score: correlation of the mask with the soft mask.
    """

    needs_network: ClassVar[bool] = False

    superpixels: int = 150
    """About how many regions the photo is cut into."""

    def __post_init__(self) -> None:
        require(8 <= self.superpixels <= 2000, "--param superpixels", self.superpixels, "8..2000")

    def __call__(
        self,
        features: Features | None,  # noqa: ARG002
        photos: Sequence[Photo],
        fits: Sequence[Fit],
    ) -> list[Proposals]:
        """See ``Method``."""
        return [self.propose(photo, fit) for photo, fit in zip(photos, fits, strict=True)]

    def propose(self, photo: Photo, fit: Fit) -> Proposals:
        """One object at most; its map has ``CELLS`` cells per patch."""
        if is_constant(photo):
            return nothing("constant_image")
        regions = Regions.of(cells_of(photo, fit), self.superpixels)
        saliency = optimised(regions)  # (n,)
        soft = otsu_soft(padded(saliency[regions.labels], fit), fit)
        if soft is None:
            return nothing("no_object")
        return one(soft, agreement(soft), f"{len(saliency)} regions against the background of the border")


def cells_of(photo: Photo, fit: Fit) -> NDArray[np.uint8]:
    """The photo at one pixel per cell, without padding, ``(mh, mw, 3)``."""
    height, width = (max(1, math.ceil(side * CELLS / fit.patch)) for side in fit.scaled)
    return resize(photo.pixels, (height, width))


def padded(map_: NDArray[np.float64], fit: Fit) -> NDArray[np.float64]:
    """The map continued over the padding, ``(gh * CELLS, gw * CELLS)``."""
    missing = [(0, length * CELLS - have) for length, have in zip(fit.grid, map_.shape, strict=True)]
    return np.pad(map_, missing, mode="edge")


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """The superpixels of an image: colour, place and neighbours of each."""

    labels: NDArray[np.intp]
    """``(mh, mw)``, 0..n-1."""
    colour: NDArray[np.float64]
    """Mean CIELAB, ``(n, 3)``."""
    place: NDArray[np.float64]
    """Mean y, x in 0..1, ``(n, 2)``."""
    border: NDArray[np.bool_]
    """Which touch the frame, ``(n,)``."""
    neighbours: NDArray[np.bool_]
    """Which touch each other, ``(n, n)``; all border regions count as neighbours."""

    @classmethod
    def of(cls, image: NDArray[np.uint8], count: int) -> Regions:
        """About ``count`` superpixels of an RGB image ``(mh, mw, 3)``."""
        labels = slic(image, n_segments=count, compactness=COMPACTNESS, start_label=0)  # (mh, mw)
        size = np.bincount(labels.ravel())

        def mean(channel: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.bincount(labels.ravel(), channel.ravel()) / size

        y, x = np.mgrid[: labels.shape[0], : labels.shape[1]]
        lab = rgb2lab(image)
        border = np.zeros(len(size), bool)
        border[labels[border_of(labels.shape)]] = True
        return cls(
            labels,
            np.stack([mean(lab[..., channel]) for channel in range(3)], axis=1),
            np.stack([mean(y / labels.shape[0]), mean(x / labels.shape[1])], axis=1),
            border,
            touching(labels) | border[:, None] & border,
        )


def touching(labels: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which labels lie side by side, ``(n, n)``, symmetric."""
    touch = np.zeros((labels.max() + 1,) * 2, bool)
    touch[labels[:, :-1], labels[:, 1:]] = True
    touch[labels[:-1], labels[1:]] = True
    return touch | touch.T


def background(regions: Regions) -> NDArray[np.float64]:
    """Probability of being background from boundary connectivity, ``(n,)`` (equations 3 to 6)."""
    steps = np.where(regions.neighbours, cdist(regions.colour, regions.colour), np.inf)
    distance = shortest_path(csgraph_from_dense(steps, null_value=np.inf), directed=False)  # (n, n)
    same = np.exp(-(distance**2) / (2 * GEODESIC**2))
    connectivity = same[:, regions.border].sum(axis=1) / np.sqrt(same.sum(axis=1))
    return 1 - np.exp(-(connectivity**2) / 2)


def contrast(regions: Regions, background: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Colour contrast to the background near by, ``(n,)`` in 0..1 (equation 8); None where there is none."""
    near = np.exp(-cdist(regions.place, regions.place, "sqeuclidean") / (2 * NEAR**2))
    return min_max((cdist(regions.colour, regions.colour) * near) @ background)


def optimised(regions: Regions) -> NDArray[np.float64]:
    """Saliency ``(n,)`` that is low on background, high on contrast and alike among like neighbours (equation 9)."""
    behind = background(regions)
    front = contrast(regions, behind)
    if front is None:
        return np.zeros(len(behind))
    alike = np.exp(-cdist(regions.colour, regions.colour, "sqeuclidean") / (2 * SMOOTH**2)) + 0.1
    weights = np.where(regions.neighbours & ~np.eye(len(behind), dtype=bool), alike, 0)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    return np.linalg.solve(np.diag(behind + front) + laplacian, front)
