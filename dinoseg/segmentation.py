"""The objects of one image, as users get them: masks, pictures, files, other formats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import DatasetError, MaskError
from dinoseg.images.decode import decode
from dinoseg.images.text import read_json
from dinoseg.options import CutoutOptions
from dinoseg.outputs import detections, render
from dinoseg.outputs.coco import coco_dataset
from dinoseg.refine import refine
from dinoseg.refine.pieces import own_part
from dinoseg.rle import decode_rle, decode_segmentation, encode_rle, rle_area, rle_box
from dinoseg.types import Fit, Image, Instance, Photo, Source

if TYPE_CHECKING:
    import PIL.Image


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """The objects of one image. Empty is a result: then ``reason`` says why."""

    id: str
    instances: tuple[Instance, ...]
    reason: str | None
    fit: Fit
    source: Source
    refine: str
    """Name of the refinement that made the masks."""
    attention: NDArray[np.float32] | None = None
    """CLS attention of the last layer, ``(heads, gh, gw)``, when the method looked at it."""
    notes: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds by stage: decode, backbone, method, refine."""
    presence: float | None = None
    """Probability in 0..1 that there is an object; None where that is not known (no network, no calibration)."""
    time: float | None = None
    """Seconds from the start of its video; None for what is from no video file."""

    soft_masks: NDArray[np.float32] | None = None
    """``(n, H, W)`` in 0..1, where they are held; else ``soft`` makes them."""

    @classmethod
    def from_masks(
        cls,
        masks: NDArray[Any] | Sequence[NDArray[np.bool_]],
        scores: Sequence[float] | None = None,
        *,
        image: Image = b"",
        id: str = "",  # noqa: A002 (the field)
        size: tuple[int, int] | None = None,
    ) -> Segmentation:
        """Masks made elsewhere, to be drawn, saved and compared like those of dinoseg; empty ones are left out.

        ``masks``: bool ``(n, H, W)``, or one label map ``(H, W)`` of whole numbers in which k > 0 is object k.
        ``scores``: one for each mask, 0..1 (default: 1). ``image``: the photograph, which overlays and cut-outs are
        drawn on. ``size``: ``(H, W)`` where there may be no mask. Raises ``MaskError`` for masks of other shapes.
        """
        numbers, layers = layers_of(masks)
        shape = layers.shape[1:] if len(layers) else size
        if shape is None or (size is not None and tuple(shape) != tuple(size)):
            raise MaskError(f"masks are {shape and tuple(shape)}, not {size}: give them, or size=(H, W), in one frame.")
        ratings = [1.0] * len(layers) if scores is None else [float(score) for score in scores]
        if len(ratings) != len(layers):
            raise MaskError(f"{len(layers)} masks have {len(ratings)} scores: one for each.")
        ranked = sorted(zip(ratings, numbers, layers, strict=True), key=lambda each: -each[0])
        instances = tuple(instance_of(mask, score, label=number) for score, number, mask in ranked if mask.any())
        height, width = (int(side) for side in shape)
        fit = Fit((height, width), (height, width), (1, 1), max(height, width))
        return cls(id, instances, None if instances else "no_object", fit, Source(id, image), "none")

    @classmethod
    def from_coco(cls, dataset: Mapping[str, Any] | str | Path, image: int | str | None = None) -> Segmentation:
        """The objects of one image of a COCO dataset (a json file or what it holds): RLE and polygons, by score.

        ``image`` is its id or ``file_name``; it may be left out where there is one image only. Raises ``DatasetError``
        for what is no dataset, or an image that is not in it.
        """
        try:
            content = dataset if isinstance(dataset, Mapping) else read_json(Path(dataset))
            entry = coco_image(content["images"], image)
            size = int(entry["height"]), int(entry["width"])
            objects = [each for each in content["annotations"] if each["image_id"] == entry["id"]]
            masks = [decode_segmentation(each["segmentation"], size) for each in objects]
            scores = [float(each.get("score", 1)) for each in objects]
        except DatasetError:
            raise
        except Exception as error:  # whatever may lie in a file; pycocotools raises the bare class
            raise DatasetError(f"this is no COCO dataset with masks ({type(error).__name__}: {error}).") from error
        return cls.from_masks(masks, scores, image=str(entry["file_name"]), id=str(entry["file_name"]), size=size)

    def __len__(self) -> int:
        return len(self.instances)

    def __iter__(self) -> Iterator[Instance]:
        """Objects in falling order of score."""
        return iter(self.instances)

    @overload
    def __getitem__(self, key: int) -> Instance: ...
    @overload
    def __getitem__(self, key: slice | Sequence[int] | NDArray[Any]) -> Segmentation: ...
    def __getitem__(self, key: int | slice | Sequence[int] | NDArray[Any]) -> Instance | Segmentation:
        """One object by its place; several by a slice, a list of places, or an array of places or bools ``(n,)``."""
        if isinstance(key, int | np.integer):
            return self.instances[key]
        indices = key if isinstance(key, slice) else np.asarray(key, None if len(key) else np.intp)
        places = np.arange(len(self))[indices].tolist()
        soft = None if self.soft_masks is None else self.soft_masks[places]
        reason = self.reason if places or not self.instances else "filtered"
        return replace(self, instances=tuple(self.instances[i] for i in places), reason=reason, soft_masks=soft)

    def filter(self, *, score: float = 0.0, area: float = 0.0) -> Segmentation:
        """Only objects of at least this score, 0..1, and of at least this share of the picture, 0..1."""
        pixels = self.size[0] * self.size[1]
        return self[[i for i, each in enumerate(self) if each.score >= score and each.area >= area * pixels]]

    @property
    def size(self) -> tuple[int, int]:
        """``(H, W)`` px of the upright original."""
        return self.fit.size

    @property
    def scores(self) -> list[float]:
        """Scores in 0..1, one per object, falling."""
        return [instance.score for instance in self.instances]

    @property
    def boxes(self) -> NDArray[np.int64]:
        """``(n, 4)`` boxes ``x0, y0, x1, y1`` in px, half open."""
        return np.array([instance.box for instance in self.instances], np.int64).reshape(-1, 4)

    @property
    def masks(self) -> NDArray[np.bool_]:
        """``(n, H, W)`` bool masks, expanded from RLE."""
        masks = [decode_rle(instance.rle) for instance in self.instances]
        return np.stack(masks) if masks else np.zeros((0, *self.size), bool)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """``(H, W)`` bool: the union of all objects."""
        return np.asarray(self.masks.any(axis=0), bool)

    def photo(self) -> Photo:
        """The photograph at full resolution, decoded again. Raises ``ImageError`` if it is gone."""
        return decode(self.source, max_pixels=self.size[0] * self.size[1])  # it was read before

    def soft(self) -> NDArray[np.float32]:
        """``(n, H, W)`` soft masks in 0..1: those that are held, else refinement is run again on the method's maps.

        Objects that came as masks have their masks.
        """
        if self.soft_masks is not None:
            return self.soft_masks
        if all(instance.soft is None for instance in self):
            return self.masks.astype(np.float32)
        photo = self.photo()
        maps = [(each.soft, decode_rle(each.rle)) for each in self if each.soft is not None]
        return np.stack([own_part(refine(self.refine, soft, photo, self.fit).soft, mask) for soft, mask in maps])

    def overlay(self) -> PIL.Image.Image:
        """The photograph with its masks drawn in colour and outlined."""
        return render.render_image("overlays", self)

    def cutout(
        self, background: str | None = None, *, crop: bool = False, margin: str = "0", square: bool = False
    ) -> PIL.Image.Image:
        """The objects on transparency (RGBA), or over a colour, an image file or ``"blur"`` (RGB).

        ``crop``: nothing around them but the ``margin``, px or a share of their long side (``"5%"``); ``square``: what
        is shown is in the middle of a square.
        """
        look = CutoutOptions(background=background, crop=crop, margin=margin, square=square)
        return render.render_image("cutouts", self, look=look)

    def save(self, directory: str | Path, formats: Iterable[str] = ("masks", "overlays")) -> list[Path]:
        """Write the named formats under ``directory`` as a folder run would; returns the paths."""
        return render.save(self, Path(directory), tuple(formats))

    def to_coco(self) -> dict[str, Any]:
        """A complete COCO dataset of this one image."""
        return coco_dataset([self])

    def to_detections(self) -> Any:
        """``supervision.Detections``. Raises ``MissingExtra`` without that package."""
        return detections.to_detections(self)

    def _repr_png_(self) -> bytes:
        return render.png_bytes(self.overlay())

    def __repr__(self) -> str:
        found = f"{len(self.instances)} object(s)" if self.instances else f"no object ({self.reason})"
        return f"Segmentation({self.id!r}, {self.size[0]}x{self.size[1]}, {found})"


def layers_of(masks: NDArray[Any] | Sequence[NDArray[np.bool_]]) -> tuple[list[int], NDArray[np.bool_]]:
    """Labels, and masks ``(n, H, W)``. Raises ``MaskError`` for arrays that are none."""
    try:
        array = np.asarray(masks)
    except ValueError as error:
        raise MaskError("masks have other shapes: they are (H, W) of one frame each.") from error
    if array.ndim == 2 and array.dtype.kind in "iu":
        numbers = [int(number) for number in np.unique(array) if number > 0]
        return numbers, array == np.array(numbers, array.dtype).reshape(-1, 1, 1)
    if array.size == 0 and array.ndim < 3:
        return [], np.zeros((0, 0, 0), bool)
    if array.ndim != 3 or array.dtype.kind != "b":
        raise MaskError(f"masks are {array.dtype} {array.shape}: give bool (n, H, W), or whole numbers (H, W).")
    return list(range(1, len(array) + 1)), array


def instance_of(mask: NDArray[np.bool_], score: float, *, label: int) -> Instance:
    """An object that came as a mask ``(H, W)``, which must not be empty."""
    rle = encode_rle(mask)
    return Instance(rle, rle_box(rle), rle_area(rle), score, label, None)


def coco_image(images: Sequence[Mapping[str, Any]], image: int | str | None) -> Mapping[str, Any]:
    """The entry with that id or ``file_name``, or the only one. Raises ``DatasetError`` where there is none."""
    chosen = [each for each in images if image is None or image in (each["id"], each["file_name"])]
    if len(chosen) != 1:
        wanted = ": name one by its id or file_name" if image is None else f" with the id or file_name {image!r}"
        raise DatasetError(f"the dataset has {len(chosen)} images{wanted}.")
    return chosen[0]
