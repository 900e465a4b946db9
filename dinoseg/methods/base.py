"""What methods have in common, and one image as a method sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from dinoseg.backbone.families import family_of
from dinoseg.backbone.families.family import Facet
from dinoseg.backbone.features import Array, single, to_numpy
from dinoseg.errors import OptionError
from dinoseg.methods.affinity import attention_or_affinity
from dinoseg.types import Fit, Photo, Proposal, Proposals

if TYPE_CHECKING:
    from dinoseg.backbone.features import Features
    from dinoseg.backbone.spec import BackboneSpec


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What the network gave for one image."""

    fit: Fit
    family: str
    attention: NDArray[np.float64]
    """CLS attention of the last layer, or what stands in for it (``affinity``), ``(heads, gh, gw)``."""
    facets: dict[str, NDArray[np.float64]]
    """Those that were asked for, each ``(N, d)`` in reading order of the grid."""


class BaseMethod:
    """What most methods have in common."""

    needs_network: ClassVar[bool]
    in_torch: ClassVar[bool] = False
    """Whether it asks for torch tensors, whatever library the network gave arrays of."""

    def facets(self, family: str) -> tuple[str, ...]:  # noqa: ARG002
        """None, unless a subclass says otherwise."""
        return ()

    def check(self, spec: BackboneSpec) -> None:
        """Any network will do, unless a subclass says otherwise."""

    def identity(self) -> dict[str, object]:
        """Its parameters, which are its fields."""
        return {"parameters": asdict(self)}  # type: ignore[call-overload]


class NetworkMethod(BaseMethod):
    """A method that looks at patch features: subclasses write ``propose``, or ``propose_batch`` where work is shared,
    or ``propose_seen`` where the photographs themselves are looked at too.

    Images without contrast and features that are not finite never reach them.
    """

    needs_network: ClassVar[bool] = True
    needs_attention: ClassVar[bool] = False
    """Whether it reads CLS attention for more than a score."""

    def check(self, spec: BackboneSpec) -> None:
        """Raise ``OptionError`` for a network without the attention or the features that it reads."""
        family = family_of(spec.family)
        if self.needs_attention and not family.attention:
            from dinoseg.methods import methods_without_attention

            *others, last = methods_without_attention()
            usable = f"{', '.join(others)} or {last}"
            raise OptionError(f"{spec.name} has no CLS attention, which this method reads: use --method {usable}.")
        absent = set(self.facets(spec.family)) - set(family.facets)
        if absent:
            raise OptionError(
                f"--param facet {' '.join(absent)} is out of range: {spec.name} has {', '.join(family.facets)}."
            )

    def propose(self, view: View) -> Proposals:
        """The objects of one image."""
        raise NotImplementedError

    def propose_batch(self, features: Features, fits: Sequence[Fit]) -> list[Proposals]:
        """The objects of each image of a batch, in which no image may depend on the others."""
        return [self.propose(view_of(features, index, fit)) for index, fit in enumerate(fits)]

    def propose_seen(self, features: Features, photos: Sequence[Photo], fits: Sequence[Fit]) -> list[Proposals]:  # noqa: ARG002
        """The same for a method that needs the photographs."""
        return self.propose_batch(features, fits)

    def __call__(self, features: Features | None, photos: Sequence[Photo], fits: Sequence[Fit]) -> list[Proposals]:
        """See ``Method``."""
        if features is None:
            raise ValueError(f"{type(self).__name__} needs the features of a network")
        reasons = [unfit(photo, fine) for photo, fine in zip(photos, features.finite(), strict=True)]
        good = [index for index, reason in enumerate(reasons) if reason is None]
        seen = [photos[index] for index in good], [fits[index] for index in good]
        usable = features if len(good) == len(features) else features.take(good)
        found = iter(self.propose_seen(usable, *seen) if good else ())
        return [next(found) if reason is None else nothing(reason) for reason in reasons]


@dataclass(frozen=True)
class FacetMethod(NetworkMethod):
    """A method that looks at one kind of patch features."""

    facet: Facet | None = None
    """Patch features (default: key for DINO v1, token for the others)."""

    def facets(self, family: str) -> tuple[str, ...]:
        """The one facet."""
        return (self.facet or facet_for(family),)


@dataclass(frozen=True)
class SimilarityMethod(FacetMethod):
    """A method that asks which patches are alike."""

    centre: bool | None = None
    """Take the image's mean feature out first (default: for DINOv2's keys and convolutional networks)."""

    def features(self, view: View) -> NDArray[np.float64]:
        """What is compared, ``(N, d)``."""
        (name,) = self.facets(view.family)
        features = view.facets[name]
        return features - features.mean(axis=0) if self.centres(view.family) else features

    def batch_features(self, features: Features) -> Array:
        """The same for a batch, in its library and on its device: ``(B, N, d)``, float32."""
        (name,) = self.facets(features.family)
        facet = flat(single(features.facets[name]))
        xp = array_namespace(facet)
        return facet - xp.mean(facet, axis=1, keepdims=True) if self.centres(features.family) else facet

    def centres(self, family: str) -> bool:
        """Whether the mean feature is taken out, for a network of this family."""
        if self.centre is not None:
            return self.centre
        return bool(set(self.facets(family)) & set(family_of(family).centred))


def view_of(features: Features, index: int, fit: Fit) -> View:
    """Image ``index`` of a batch in numpy."""
    facets = {name: to_numpy(flat(facet[index : index + 1])[0]) for name, facet in features.facets.items()}
    return View(fit, features.family, to_numpy(attention_or_affinity(features)[index]), facets)


def flat(facet: Array) -> Array:
    """``(B, gh, gw, d)`` -> ``(B, N, d)``, patches in reading order."""
    batch, rows, columns, width = facet.shape
    return array_namespace(facet).reshape(facet, (batch, rows * columns, width))


def unfit(photo: Photo, fine: bool) -> str | None:
    """Why an image cannot be looked at, if so."""
    if is_constant(photo):
        return "constant_image"
    return None if fine else "nan_features"


def unit(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features ``(N, d)``, each scaled to length 1; zeros stay zeros."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(np.float64).tiny)


def is_constant(photo: Photo) -> bool:
    """Whether all pixels have one colour."""
    first = photo.pixels[0, 0]
    return bool((photo.pixels[::16, ::16] == first).all() and (photo.pixels == first).all())


def one(soft: NDArray[np.float32], score: float, why: str) -> Proposals:
    """A single object."""
    return Proposals((Proposal(soft, score, why),))


def nothing(reason: str) -> Proposals:
    """No object, and why."""
    return Proposals((), reason)


def facet_for(family: str) -> Facet:
    """The facet that methods work on, by the name of a family."""
    return family_of(family).facet


def require_head(head: int | None, heads: int) -> None:
    """Raise ``OptionError`` for a head that a network with so many heads does not have."""
    if head is not None and head >= heads:
        raise OptionError(f"--param head {head} is out of range: the network has 0..{heads - 1}.")
