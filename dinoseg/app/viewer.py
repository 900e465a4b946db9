"""What the page shows, without the page: a photograph is encoded once, then asked again and again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.attention import with_attention
from dinoseg.backbone.families import family_of
from dinoseg.backbone.features import Features, to_numpy
from dinoseg.backbone.names import EXPORTED
from dinoseg.backbone.precision import inference
from dinoseg.backbone.vit import attention_rows
from dinoseg.backbone.zoo import load_backbone
from dinoseg.draw.heads import attention_overlay
from dinoseg.draw.overlay import overlay
from dinoseg.encoding import Encoded, Encoder
from dinoseg.errors import OptionError
from dinoseg.images.fit import fit, middle_of, patch_at, resize
from dinoseg.options import ModelOptions, SegmentOptions, values
from dinoseg.pipeline import Segmenter
from dinoseg.segmentation import Segmentation
from dinoseg.types import Failure, Source

SHOWN = 1024
"""px: long side of what is sent to the browser."""
TINY = np.finfo(np.float32).tiny
FILES = ("masks", "cutouts", "labels", "overlays")
"""Formats of the files that may be had, beside the COCO json."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What one layer holds of a photograph."""

    features: Features
    """Its CLS attention and all facets."""
    query: Tensor
    key: Tensor
    """``(1, heads, T, c)``."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A photograph that is looked at, and what was computed of it."""

    encoded: Encoded
    shown: NDArray[np.uint8]
    """The photograph as the browser gets it, ``(h, w, 3)``."""
    layers: dict[int, Layer] = field(default_factory=dict)
    """Those that were asked for, by number, 1..depth."""

    def patch_under(self, point: tuple[int, int]) -> int:
        """Row-major index of the patch under a pixel ``(x, y)`` of the picture that is shown."""
        whole, (height, width) = self.encoded.fit, self.shown.shape[:2]
        x = (min(max(point[0], 0), width - 1) + 0.5) * whole.size[1] / width
        y = (min(max(point[1], 0), height - 1) + 0.5) * whole.size[0] / height
        patch = patch_at((x, y), whole)
        assert patch is not None
        return patch

    def heat(self, map_: NDArray[np.float32], patch: int | None = None) -> PIL.Image.Image:
        """The picture that is shown under a map ``(gh, gw)``, not negative, in colour; a ring around a patch."""
        drawn = attention_overlay(self.shown, map_, self.encoded.fit)
        if patch is None:
            return drawn
        ringed, scale = np.array(drawn), self.shown.shape[0] / self.encoded.fit.size[0]
        x, y = (round(at * scale) for at in middle_of(patch, self.encoded.fit))
        radius = max(3, max(ringed.shape) // 60)
        for colour, width in ((0, 4), (255, 2)):
            cv2.circle(ringed, (x, y), radius, (colour,) * 3, width, cv2.LINE_AA)
        return PIL.Image.fromarray(ringed)


class Viewer:
    """A network, and what can be asked of it about one photograph. It never changes: sessions share it."""

    def __init__(self, options: ModelOptions) -> None:
        """Raises ``WeightsError``, ``DeviceError``, or ``OptionError`` for a network that has no attention to show."""
        if options.model.endswith(EXPORTED):
            raise OptionError(f"{options.model} is an exported network, of the last layer only: name its weights.")
        self.options = replace(options, runtime="torch")
        self.backbone = with_attention(load_backbone(self.options))
        self.spec = self.backbone.spec
        self.facets: tuple[str, ...] = family_of(self.spec.family).facets
        self.encoder = Encoder(self.options, self.backbone)

    def open(self, path: Path) -> Look:
        """Encode the photograph of a file, which is not needed any more then. Raises ``ImageError``."""
        (encoded,) = self.encoder.encode([Source(path.name, path.read_bytes())])
        if isinstance(encoded, Failure):
            raise encoded.error
        pixels = encoded.photo.pixels
        scale = min(1.0, SHOWN / max(pixels.shape[:2]))
        height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
        return Look(encoded, resize(pixels, (height, width)))

    def layer(self, look: Look, number: int) -> Layer:
        """What layer ``number``, 1..depth, holds; computed when it is asked for first."""
        if number not in look.layers:
            look.layers[number] = self._read(look, number)
        return look.layers[number]

    @inference
    def _read(self, look: Look, number: int) -> Layer:
        pixels, fitted = fit(look.encoded.photo, self.spec.patch, self.options.size)
        image = self.backbone.prepare(pixels, fitted.grid)
        query, key = self.backbone.attention_inputs(image, number)
        return Layer(self.backbone(image, facets=self.facets, layer=number), query, key)

    @inference
    def attention(self, look: Look, number: int, patch: int | None = None) -> NDArray[np.float32]:
        """What CLS, or a patch, attends to in layer ``number``: ``(heads, gh, gw)``, softmax rows, patch columns."""
        layer = self.layer(look, number)
        if patch is None:
            assert layer.features.attention is not None
            return to_numpy(layer.features.attention, np.float32)[0]
        token = self.spec.prefix + patch
        row = attention_rows(layer.query[:, :, token : token + 1], layer.key)[0, :, 0, self.spec.prefix :]
        return to_numpy(row, np.float32).reshape(-1, *look.encoded.fit.grid)

    def similarity(self, look: Look, number: int, facet: str, patch: int) -> NDArray[np.float32]:
        """Cosine of every patch's ``facet`` in layer ``number`` to that of a patch, ``(gh, gw)`` in -1..1."""
        vectors = to_numpy(self.layer(look, number).features.facets[facet], np.float32)[0]  # (gh, gw, d)
        unit = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), TINY)
        cosines: NDArray[np.float32] = (unit @ unit.reshape(-1, unit.shape[-1])[patch]).clip(-1, 1)
        return cosines

    def segment(self, look: Look, **asked: object) -> Segmentation:
        """Its objects. Keywords are those of ``SegmentOptions``; raises ``OptionError``."""
        options = SegmentOptions(**{**values(self.options, ModelOptions), **asked})
        return Segmenter.of(options, self.backbone)(look.encoded)


def picture(look: Look, found: Segmentation, view: str) -> PIL.Image.Image:
    """``overlay``, ``cut-out`` or ``mask`` of what was found, no larger than the browser gets it."""
    height, width = look.shown.shape[:2]
    if view == "cut-out":
        drawn = found.cutout()
        drawn.thumbnail((width, height))
        return drawn
    labels = np.zeros(found.size, np.uint16)
    for instance, mask in reversed(list(zip(found, found.masks, strict=True))):  # the surest lies on top
        labels[mask] = instance.label
    if view == "mask":
        return PIL.Image.fromarray(resize(255 * (labels > 0).astype(np.uint8), (height, width)))
    small = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    return PIL.Image.fromarray(overlay(look.shown, np.asarray(small, np.uint16)))


def write_files(found: Segmentation, folder: Path) -> list[Path]:
    """Mask, cut-out, label map, overlay and COCO json, in a folder that is there."""
    coco = folder / "coco.json"
    coco.write_text(json.dumps(found.to_coco()), encoding="utf-8")
    return [*found.save(folder, FILES), coco]
