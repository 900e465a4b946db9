"""What a family of networks says of itself. No torch is needed to read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dinoseg.files import open_regular

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dinoseg.backbone.base import Backbone
    from dinoseg.backbone.spec import BackboneSpec

Facet: TypeAlias = Literal["query", "key", "value", "token"]


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A weight file, but for its tensors."""

    path: Path
    name: str
    """What the network will be called."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Its header."""
    heads: int | None = None
    """Attention heads, where the user says so."""
    positions: str | None = None
    """``timm`` where the user wants position tables resized as timm does."""
    sha256: str = ""

    @property
    def config(self) -> dict[str, Any]:
        """What the ``config.json`` beside the weight file says; empty where there is none."""
        return read_config(self.path.with_name("config.json"))


@dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of networks: its facts, and how its files become networks."""

    name: str
    facet: Facet
    """The patch features that methods work on."""
    facets: tuple[Facet, ...] = ("query", "key", "value", "token")
    """All that its networks have."""
    centred: tuple[Facet, ...] = ()
    """Facets that all point in one direction: methods take the image's mean out before they compare patches."""
    presence: tuple[float, ...] | None = None
    """Intercept and one weight per cue (``methods.presence.CUES``); None where it was not calibrated."""
    attention: bool = True
    """Whether there is a CLS token with attention."""
    prunable: bool = True
    """Whether ``compress`` can prune it."""

    def holds(self, state: Mapping[str, Tensor], file: WeightFile) -> bool:
        """Whether a state dict, by the names in it, may be of this family, whatever its prefix."""
        raise NotImplementedError

    def translate(self, state: Mapping[str, Tensor], file: WeightFile) -> dict[str, Tensor]:
        """The tensors of one network under timm's names. Raises ``WeightsMismatch`` where there are several."""
        raise NotImplementedError

    def recognises(self, state: Mapping[str, Tensor]) -> bool:
        """Whether translated tensors are of this family."""
        raise NotImplementedError

    def read(self, state: Mapping[str, Tensor], file: WeightFile) -> tuple[BackboneSpec, dict[str, Tensor]]:
        """What translated tensors say about their network, and those that ``build`` has a place for.

        Raises ``WeightsMismatch`` for what is no such network.
        """
        raise NotImplementedError

    def build(self, spec: BackboneSpec, state: Mapping[str, Tensor] | None = None) -> nn.Module:
        """timm's network with fresh weights from torch's generator; ``state`` tells what the spec leaves open."""
        raise NotImplementedError

    def wrap(self, network: nn.Module, spec: BackboneSpec) -> Backbone:
        """timm's network with its way from pixels to features."""
        raise NotImplementedError

    def new(self, spec: BackboneSpec, state: Mapping[str, Tensor] | None = None) -> Backbone:
        """A network of that shape, by ``build`` and ``wrap``."""
        return self.wrap(self.build(spec, state), spec)

    def for_training(self, backbone: Backbone) -> Backbone:
        """The network as it is trained, with the same weights."""
        return backbone

    def header(self, spec: BackboneSpec) -> dict[str, str]:
        """What a file of ours has to say because its tensors do not."""
        raise NotImplementedError

    def shape(self, spec: BackboneSpec) -> str:
        """A network in words, for errors."""
        raise NotImplementedError


def read_config(path: Path) -> dict[str, Any]:
    """A small json beside the weights; nothing where there is none that can be read."""
    try:
        with open_regular(path) as file:
            config = json.loads(file.read(2**20))
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}
