"""Images made in code, and where the results of reference programs lie."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

GOLDEN = Path(__file__).with_name("golden")
"""What reference programs gave on random weights; its README says how each array was made, and how near to be."""


def disk_photo(
    height: int = 120,
    width: int = 160,
    centre: tuple[float, float] | None = None,
    radius: float | None = None,
    seed: int = 0,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A coloured disk on a textured background, ``(H, W, 3)`` uint8, and its mask ``(H, W)`` bool.

    ``centre`` is ``(y, x)`` px (default: the middle), ``radius`` px (default: a quarter of the short side).
    """
    random = np.random.default_rng(seed)
    cy, cx = centre or (height / 2, width / 2)
    y, x = np.mgrid[:height, :width] + 0.5
    mask = (y - cy) ** 2 + (x - cx) ** 2 <= (radius or min(height, width) / 4) ** 2  # (H, W)
    background, disk = random.integers(70, 110, 3), random.integers([180, 20, 20], [240, 60, 60])
    texture = random.normal(0, 8, (height, width, 1))  # (H, W, 1)
    photo = np.where(mask[..., None], disk, background + 20 * (y / height)[..., None]) + texture
    return photo.clip(0, 255).astype(np.uint8), mask


def gradient(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Red grows to the right, green downwards, so that every turn and flip can be told, ``(H, W, 3)`` uint8."""
    y, x = np.mgrid[:height, :width]
    red, green = 255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1)
    return np.stack([red, green, np.full_like(red, 128)], axis=-1).round().astype(np.uint8)


def write_images(folder: Path, n: int, *, height: int = 96, width: int = 128, suffix: str = ".jpg") -> list[Path]:
    """Write ``n`` disk photographs ``photo_000.jpg ...`` (the disk wanders) into ``folder``; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"photo_{index:03d}{suffix}" for index in range(n)]
    for index, path in enumerate(paths):
        centre = (height * (0.35 + 0.3 * (index % 2)), width * (0.3 + 0.1 * (index % 5)))
        PIL.Image.fromarray(disk_photo(height, width, centre, seed=index)[0]).save(path)
    return paths


def encode(pixels: NDArray[Any] | PIL.Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """An array or PIL image as an encoded file of that kind; ``options`` are Pillow's."""
    image = pixels if isinstance(pixels, PIL.Image.Image) else PIL.Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exhaust_opencv(*_: object, **__: object) -> Any:
    """What OpenCV raises where memory ends."""
    return cv2.resize(np.zeros((2, 2), np.uint8), (2**21, 2**21))  # 4 TiB


def broken_images() -> dict[str, bytes]:
    """Files with an image's name that are none, or not a whole one; each must cost that file only."""
    photo = disk_photo(200, 300)[0]
    jpeg, png = encode(photo, "JPEG", quality=90), encode(photo, "PNG")
    return {
        "empty.jpg": b"",
        "page.jpg": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "notes.png": b"these are notes, not a picture\n",
        "zeros.jpg": bytes(5000),
        "half.jpg": jpeg[: len(jpeg) // 2],
        "half.png": png[: len(png) // 2],
        "header.jpg": jpeg[:100],
        "half.webp": encode(photo, "WEBP")[:2000],
        "half.gif": encode(photo, "GIF")[:2000],
        "half.bmp": encode(photo, "BMP")[:2000],
        "half.tiff": encode(photo, "TIFF")[:2000],
        "phone.jpg": b"\0\0\0\x18ftypheic" + bytes(100),
    }


def exif_of(orientation: int) -> PIL.Image.Exif:
    """EXIF that says nothing but how a picture is turned (1..8)."""
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return exif
