"""What a network says of itself, whatever runs it. No torch here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dinoseg.backbone.features import Features

RGB = tuple[float, float, float]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """What the tensors of a weight file say about the network, and where they came from."""

    name: str
    family: str
    """A name of ``backbone.families``, which tells whatever depends on it."""
    patch: int
    """px per cell of the grid of features."""
    width: int
    """Of the embedding of an image."""
    depth: int
    """Blocks of a ViT; this and what follows is 0 or empty for other networks."""
    heads: int
    hidden: int
    """MLP neurons per block."""
    registers: int
    positions: str
    """How the position table is resized: ``offset``, ``antialias`` (see ``resize_positions``) or ``rope``."""
    layer_scale: bool
    sha256: str = ""
    mean: RGB = IMAGENET_MEAN
    """Of red, green and blue in 0..1 over what it was trained on: taken out of pixels."""
    std: RGB = IMAGENET_STD
    """The same for the deviation, by which they are divided."""
    architecture: str = ""
    """timm's name of a network that is more than its numbers say; empty for a ViT."""

    @property
    def prefix(self) -> int:
        """Tokens before the patches: CLS and registers."""
        return 1 + self.registers


def network_identity(network: Network) -> dict[str, object]:
    """What of a network decides results beside its options and weights, by name, for a run's record."""
    spec = network.spec
    return {"mean": spec.mean, "std": spec.std, "runtime": network.runtime, "graph": network.graph}


class Network(Protocol):
    """A network that encodes photographs, in whatever runtime."""

    spec: BackboneSpec

    @property
    def runtime(self) -> str:
        """What runs it, and in which precision, for people and records: ``torch``, ``openvino int8 bf16`` ..."""
        ...

    @property
    def graph(self) -> str:
        """SHA-256 of the exported file that runs; empty where weights do. ``spec.sha256`` is that of the weights."""
        ...

    @property
    def parallel(self) -> int:
        """How many photographs it encodes beside each other, called from as many threads."""
        ...

    @property
    def device(self) -> Any:
        """Where it runs: ``str`` of it is the name that ``--device`` takes."""
        ...

    def normalising(self, mean: RGB | None, std: RGB | None) -> Network:
        """The same network with another mean and deviation of pixels, where they are given; the weights are shared."""
        ...

    def encode(self, pixels: Sequence[NDArray[np.uint8]], grid: tuple[int, int], facets: Collection[str]) -> Features:
        """What it gives for photographs ``(h, w, 3)`` that lie on one grid ``(gh, gw)`` of patches, padded right and
        below, with those facets (of ``FACETS``)."""
        ...
