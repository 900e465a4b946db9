"""Small data sets in every layout, made in code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from tests.helpers import write_images

SIZE = (96, 128)
"""(H, W) of the pictures that ``write_images`` makes."""


def square(top: int = 20, left: int = 30, side: int = 40, size: tuple[int, int] = SIZE) -> NDArray[np.bool_]:
    mask = np.zeros(size, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def write_mask(path: Path, values: NDArray[Any], mode: str = "L") -> Path:
    """Values as a PNG of grey levels or palette indices (with a palette in which index and colour differ)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = PIL.Image.fromarray(values.astype(np.uint8))
    if mode == "P":
        image.putpalette([(37 * index + 11) % 256 for index in range(768)])
    image.save(path)
    return path


def write_pairs(root: Path, n: int = 4, images: str = "images", masks: str = "masks") -> Path:
    for path in write_images(root / images, n):
        write_mask(root / masks / f"{path.stem}.png", 255 * square())
    return root


def write_voc(root: Path, maps: Sequence[NDArray[Any]], objects: Sequence[NDArray[Any]] = ()) -> Path:
    stems = [path.stem for path in write_images(root / "JPEGImages", len(maps))]
    for stem, values in zip(stems, maps, strict=True):
        write_mask(root / "SegmentationClass" / f"{stem}.png", values, "P")
    for stem, values in zip(stems, objects, strict=False):
        write_mask(root / "SegmentationObject" / f"{stem}.png", values, "P")
    listing = root / "ImageSets" / "Segmentation" / "val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("\n".join(stems) + "\n")
    return root


def write_voc_boxes(root: Path, boxes: Sequence[tuple[int, int, int, int]]) -> Path:
    """A picture for each box (VOC's corners, from 1, the last included), in the list ``Main/trainval``; no masks."""
    stems = [path.stem for path in write_images(root / "JPEGImages", len(boxes))]
    (root / "Annotations").mkdir()
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "ImageSets" / "Main" / "trainval.txt").write_text("\n".join(stems) + "\n")
    height, width = SIZE
    for stem, corners in zip(stems, boxes, strict=True):
        box = "".join(f"<{x}>{y}</{x}>" for x, y in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
        (root / "Annotations" / f"{stem}.xml").write_text(
            f"<annotation><size><width>{width}</width><height>{height}</height></size>"
            f"<object><name>cat</name><bndbox>{box}</bndbox></object></annotation>"
        )
    return root


def write_davis(root: Path, frames: dict[str, int]) -> Path:
    for sequence, n in frames.items():
        for path in write_images(root / "JPEGImages" / "480p" / sequence, n):
            write_mask(root / "Annotations" / "480p" / sequence / f"{path.stem}.png", 255 * square())
    listing = root / "ImageSets" / "2016" / "val.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("\n".join(frames) + "\n")
    return root


def write_coco(root: Path, annotations: Sequence[dict[str, Any]], n: int = 3) -> Path:
    """Pictures 0 .. n - 1 under ``val2017`` and the json; classes 1 cat, 2 dog, 3 =bird."""
    paths = write_images(root / "val2017", n)
    height, width = SIZE
    images = [{"id": i, "file_name": path.name, "height": height, "width": width} for i, path in enumerate(paths)]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "=bird"}]
    path = root / "annotations" / "instances_val2017.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"images": images, "annotations": list(annotations), "categories": categories}))
    return path


def polygon(image_id: int, category_id: int, top: int, left: int, side: int, **more: Any) -> dict[str, Any]:
    """An annotation that covers a square."""
    corners = [left, top, left + side, top, left + side, top + side, left, top + side]
    return {"id": 7, "image_id": image_id, "category_id": category_id, "segmentation": [corners], **more}
