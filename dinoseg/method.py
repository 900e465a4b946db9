"""What a method is. Nothing is imported here: options name this protocol, and they are read before numpy is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from dinoseg.backbone.features import Features
    from dinoseg.backbone.spec import BackboneSpec
    from dinoseg.types import Fit, Photo, Proposals


@runtime_checkable
class Method(Protocol):
    """Finds objects in photographs. A frozen dataclass whose fields are its parameters."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    needs_network: ClassVar[bool]

    def facets(self, family: str) -> tuple[str, ...]:
        """The patch features that it needs from a network of this family."""
        ...

    def check(self, spec: BackboneSpec) -> None:
        """Raise ``UsageError`` if this network is not what the parameters ask for."""
        ...

    def identity(self) -> dict[str, object]:
        """What decides its results, by name, for ``run.json``: ``parameters``, and what else there is."""
        ...

    def __call__(self, features: Features | None, photos: Sequence[Photo], fits: Sequence[Fit]) -> list[Proposals]:
        """The objects of each photograph of a batch; ``features`` are None only where it needs no network."""
        ...
