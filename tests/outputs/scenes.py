"""Segmentations made by hand: no network, no method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from dinoseg.images.decode import decode
from dinoseg.images.fit import fit
from dinoseg.options import OutputOptions
from dinoseg.outputs.folder import OutputFolder
from dinoseg.rle import encode_rle, rle_area, rle_box
from dinoseg.segmentation import Segmentation
from dinoseg.types import Fit, Image, Instance, Photo, Source
from tests.helpers import disk_photo

ALL = ("masks", "labels", "overlays", "cutouts", "attention", "coco", "contact-sheet")
RUN = {"options": {"method": "by-hand", "size": None}, "weights": "00ff", "version": "1"}


def box_mask(size: tuple[int, int], x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    """A filled box, half open, ``(H, W)``."""
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def segmentation(
    masks: Sequence[NDArray[np.bool_]] = (),
    scores: Sequence[float] | None = None,
    *,
    size: tuple[int, int] = (24, 32),
    id_: str = "a.jpg",
    content: Image | None = None,
    attention: bool = True,
) -> Segmentation:
    """A segmentation with these masks; without ``content`` its source is a grey image."""
    height, width = masks[0].shape if masks else size
    content = PIL.Image.new("RGB", (width, height), (90, 90, 90)) if content is None else content
    grid = (-(-height // 8), -(-width // 8))
    scores = scores or [0.9 - 0.1 * index for index in range(len(masks))]
    instances = [instance(mask, score, label) for label, (mask, score) in enumerate(zip(masks, scores, strict=True), 1)]
    return Segmentation(
        id_,
        tuple(instances),
        None if masks else "no_object",
        Fit((height, width), (height, width), grid, 8),
        Source(id_, content),
        "none",
        np.linspace(0, 1, 2 * grid[0] * grid[1], dtype=np.float32).reshape(2, *grid) if attention else None,
        timings={"decode": 0.25, "backbone": 0.5},
    )


def instance(mask: NDArray[np.bool_], score: float, label: int) -> Instance:
    rle = encode_rle(mask)
    return Instance(rle, rle_box(rle), rle_area(rle), score, label, mask[::8, ::8].astype(np.float32), f"cut {label}")


def photo_of(segmentation: Segmentation) -> Photo:
    return decode(segmentation.source)


def disk(path: Path, id_: str) -> tuple[Segmentation, Photo, NDArray[np.float32]]:
    """A photograph on disk as the road would hand it to the folder: its bright disk is the object."""
    photo = decode(Source(id_, path))
    _, fitted = fit(photo, 8, None)
    red = photo.pixels[..., 0].astype(np.int16) - photo.pixels[..., 1]
    soft = cv2.GaussianBlur((red > 80).astype(np.float32), (0, 0), 1.5)[None]  # (1, H, W)
    found = instance(soft[0] > 0.5, 0.75, 1)
    attention = np.full((2, *fitted.grid), 0.25, np.float32)
    result = Segmentation(id_, (found,), None, fitted, Source(id_, path), "none", attention, photo.notes)
    return result, photo, soft


def write_disk(path: Path, seed: int = 0) -> Path:
    """A small disk photograph as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(disk_photo(24, 32, seed=seed)[0]).save(path)
    return path


def folder(output: Path, *formats: str, run: dict[str, object] | None = None, **options: object) -> OutputFolder:
    return OutputFolder(OutputOptions(output=output, formats=formats or ALL, **options), RUN if run is None else run)
