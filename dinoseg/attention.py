"""What the network looks at: CLS rows per head, any patch as a query, any layer, rollout; and how heads are fused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.families import family_of
from dinoseg.backbone.memory import on_device
from dinoseg.backbone.precision import inference
from dinoseg.backbone.vit import VisionTransformer, attention_rows
from dinoseg.backbone.zoo import load_backbone
from dinoseg.errors import ImageError, OptionError, QueryOutside
from dinoseg.images.decode import as_source, decode
from dinoseg.images.fit import fit, patch_at, to_photo
from dinoseg.options import FIGURE_DPI, AttendOptions, identity, with_options
from dinoseg.types import Failure, Fit, Image, Photo, Source

if TYPE_CHECKING:
    import matplotlib.figure
    import PIL.Image

ROWS = 1024  # rows of an attention matrix that are held at once
MASS = 0.6
"""Share of the attention that an outline holds, as in DINO's own pictures."""
SCATTERED = 0.5
"""Of noise: an outline of patches that differ from their neighbours more often means nothing."""
REDUCED = 2  # decode to no less than this many times the working size


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """One image's attention maps and their way back to its pixels."""

    id: str
    heads: NDArray[np.float32]
    """``(heads, gh, gw)``: softmax rows, patch columns only. Rollout has one map, already fused."""
    fit: Fit
    photo: Photo
    title: str
    """What was asked for, in words."""
    query: tuple[int, int] | None = None
    """The pixel ``(x, y)`` whose patch was the query; None for CLS."""

    @property
    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """What a file of arrays holds."""
        return {"attention": self.heads}

    @property
    def mean(self) -> NDArray[np.float32]:
        """Mean over heads, ``(gh, gw)``."""
        return fuse(self.heads)

    def upsampled(self) -> NDArray[np.float32]:
        """All maps in the frame of the upright photo, ``(heads, H, W)``."""
        return np.stack([to_photo(head, self.fit) for head in self.heads])

    def masks(self, mass: float = 0.6) -> NDArray[np.bool_]:
        """Per head the smallest set of patches that holds ``mass`` of the attention, ``(heads, gh, gw)``."""
        from dinoseg.methods.threshold import mass_mask

        return np.stack([mass_mask(head, mass) for head in self.heads])

    def figure(self, dpi: int = FIGURE_DPI) -> matplotlib.figure.Figure:
        """The photo, every head and their mean, with the outline of the patches that hold 60 % of the mean's mass.

        There is no outline where these patches are scattered over the picture as noise would be: it would mean nothing.
        """
        from dinoseg.draw.heads import heads_figure
        from dinoseg.methods.threshold import mass_mask, scatter

        held = mass_mask(self.mean, MASS)  # (gh, gw)
        together = scatter(held) < SCATTERED
        mask = to_photo(held.astype(np.float32), self.fit, nearest=True) > 0.5  # (H, W)
        whose = "the mean" if len(self.heads) > 1 else "the map"
        what = f"the patches that hold {100 * MASS:.0f} % of {whose}"
        return heads_figure(
            self.photo.pixels,
            self.heads,
            self.fit,
            mask=mask if together else None,
            titles=None if len(self.heads) > 1 else ["rollout"],
            mark=self.query,
            heading=self.title,
            note=f"Outline: {what}." if together else f"No outline: {what} lie scattered.",
            dpi=dpi,
        )

    def overlay(self) -> PIL.Image.Image:
        """The photo under the mean map in colour."""
        from dinoseg.draw.heads import attention_overlay

        return attention_overlay(self.photo.pixels, self.mean, self.fit)

    def _repr_png_(self) -> bytes:
        from dinoseg.outputs.render import png_bytes

        return png_bytes(self.overlay())

    def __repr__(self) -> str:
        count, (rows, columns) = len(self.heads), self.fit.grid
        return f"Attention({self.id!r}, {self.title}, {count} map{'s'[: count > 1]} of {rows}x{columns} patches)"


def fuse(heads: NDArray[np.float32], how: str | Sequence[int] = "mean") -> NDArray[np.float32]:
    """Several maps ``(heads, gh, gw)`` as one ``(gh, gw)`` to look at; masks are cut from ``methods.fusion``'s.

    ``mean``; ``entropy``: heads weighted by how far their entropy lies below that of a uniform map (a concentrated
    head says more); or the indices of the heads to average. Raises ``OptionError`` for a head that is not there.
    """
    if how == "mean":
        return heads.mean(axis=0)
    if how == "entropy":
        share = heads.reshape(len(heads), -1) / heads.sum(axis=(1, 2), keepdims=True).reshape(-1, 1)  # (heads, N)
        entropy = -(share * np.log(share.clip(1e-12))).sum(axis=1)
        weights = np.log(share.shape[1]) - entropy + 1e-6
        return np.average(heads, axis=0, weights=weights).astype(np.float32)
    if isinstance(how, str):
        raise OptionError(f"fusion {how!r} is unknown: mean, entropy or a list of heads.")
    if not how or min(how) < 0 or max(how) >= len(heads):
        raise OptionError(f"heads {list(how)} are not all there: the network has 0..{len(heads) - 1}.")
    return heads[list(how)].mean(axis=0)


@overload
@with_options(AttendOptions)
def attend(image: list[Image], options: AttendOptions) -> list[Attention | Failure]: ...
@overload
@with_options(AttendOptions)
def attend(image: Image, options: AttendOptions) -> Attention: ...
@with_options(AttendOptions)
def attend(image: Image | list[Image], options: AttendOptions) -> Attention | list[Attention | Failure]:
    """The attention maps of one image, or of each of a list (then a ``Failure`` stands in the place of a bad one).

    Keywords are those of ``AttendOptions``. Raises ``ImageError`` for one image that cannot be read, ``UsageError`` for
    wrong options.
    """
    attender = Attender.of(options)
    if isinstance(image, list):
        return list(attender.stream(as_source(each, index) for index, each in enumerate(image)))
    return attender(as_source(image))


class Attender:
    """Looks at many images with one network. It never changes. Keywords are those of ``AttendOptions``."""

    @with_options(AttendOptions)
    def __init__(self, options: AttendOptions) -> None:
        self._open(options)

    @classmethod
    def of(cls, options: AttendOptions) -> Attender:
        """An attender of options that are made already."""
        attender = cls.__new__(cls)
        attender._open(options)
        return attender

    def _open(self, options: AttendOptions) -> None:
        self.options = options
        self.backbone = with_attention(load_backbone(options))
        depth = self.backbone.spec.depth
        if options.layer is not None and options.layer > depth:
            raise OptionError(f"--layer {options.layer} is out of range: {self.backbone.spec.name} has 1..{depth}.")

    def identity(self) -> dict[str, object]:
        """What decides its maps, by name, for a run's record."""
        spec = self.backbone.spec
        return {**identity(self.options), "mean": spec.mean, "std": spec.std}

    def stream(self, sources: Iterable[Source | Failure]) -> Iterator[Attention | Failure]:
        """Maps in the order of the sources; a bad one gives a ``Failure`` in its place."""
        for source in sources:
            if isinstance(source, Failure):
                yield source
                continue
            try:
                yield self(source)
            except ImageError as error:
                yield Failure(source.id, error, source)

    @inference
    def __call__(self, source: Source) -> Attention:
        """The maps of one source. Raises ``ImageError``, also for a query outside of the image."""
        backbone, options = self.backbone, self.options
        patch = backbone.spec.patch
        source = source.with_values(options.value_range)
        photo = decode(source, max_pixels=options.max_pixels, reduce_to=REDUCED * (options.size or 32 * patch))
        with on_device(backbone.device, f"{photo.id}: out of memory; use --size or --device cpu."):
            pixels, fitted = fit(photo, patch, options.size)
            image = backbone.prepare(pixels, fitted.grid)
            if options.rollout:
                maps = rollout(backbone, image).unflatten(-1, fitted.grid)  # (1, gh, gw)
            else:
                maps = self.rows(image, fitted, photo)
        return Attention(photo.id, maps.float().cpu().numpy(), fitted, photo, self.title(), options.query)

    def rows(self, image: Tensor, fitted: Fit, photo: Photo) -> Tensor:
        """One softmax row per head, ``(heads, gh, gw)``."""
        options, prefix = self.options, self.backbone.spec.prefix
        if options.query is None and options.layer is None:
            return self.backbone(image).attention[0]
        query, key = self.backbone.attention_inputs(image, options.layer or self.backbone.spec.depth)
        token = 0 if options.query is None else prefix + patch_under(options.query, fitted, photo)
        row = attention_rows(query[:, :, token : token + 1], key)  # (1, heads, 1, T)
        return row[0, :, 0, prefix:].unflatten(-1, fitted.grid)

    def title(self) -> str:
        """What is looked at, in words."""
        options = self.options
        depth = self.backbone.spec.depth
        if options.rollout:
            return f"CLS, rolled out over {depth} layers"
        of = "CLS" if options.query is None else f"patch at {options.query[0]}, {options.query[1]}"
        return f"{of}, layer {options.layer or depth} of {depth}"


def with_attention(backbone: Backbone) -> VisionTransformer:
    """The same network. Raises ``OptionError`` for a family that has no attention to show."""
    if not family_of(backbone.spec.family).attention:
        raise OptionError(
            f"{backbone.spec.name} is a network of the family {backbone.spec.family}, which has no attention to show: "
            "name a Vision Transformer with --model."
        )
    assert isinstance(backbone, VisionTransformer)
    return backbone


def patch_under(query: tuple[int, int], fitted: Fit, photo: Photo) -> int:
    """Row-major index of the patch under a pixel ``(x, y)`` of the upright photo. Raises ``QueryOutside``."""
    patch = patch_at(query, fitted)
    if patch is None:
        (x, y), (height, width) = query, fitted.size
        raise QueryOutside(f"{photo.id}: --query {x} {y} lies outside of its {width} x {height} px.")
    return patch


def rollout(backbone: VisionTransformer, image: Tensor) -> Tensor:
    """Attention rolled out from CLS through all layers, patch columns, ``(1, N)``.

    The row of CLS in prod_l (A_l + I) / 2, A_l the mean over heads (Abnar and Zuidema 2020). It is followed from the
    last layer down as a vector times a matrix in chunks of rows, so no T x T matrix is held.
    """
    layers = backbone.all_attention_inputs(image)
    tokens = layers[0][0].shape[2]
    vector = torch.zeros(tokens, device=image.device)
    vector[0] = 1.0
    for query, key in reversed(layers):
        mixed = torch.zeros_like(vector)
        for start in range(0, tokens, ROWS):
            rows = attention_rows(query[:, :, start : start + ROWS], key)[0].mean(dim=0)  # (rows, T)
            mixed += vector[start : start + ROWS] @ rows
        vector = (vector + mixed) / 2
    return vector[None, backbone.spec.prefix :]
