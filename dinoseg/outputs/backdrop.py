"""What cut-outs stand on when it is not transparency: a colour, a photograph or a blur."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageColor, ImageOps

from dinoseg.errors import ImageError, OptionError
from dinoseg.files import open_regular
from dinoseg.images.decode import decode
from dinoseg.options import CutoutOptions, identity
from dinoseg.types import Source

Backdrop: TypeAlias = Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.uint8]]
"""From the photograph ``(H, W, 3)`` and the objects' alpha ``(H, W)`` to what is behind, ``(H, W, 3)``."""

BLUR_SIDE = 256
"""px to which the photograph is reduced before it is blurred."""
BLUR = 0.03
"""Deviation of the blur, as a share of the long side."""


def make_backdrop(background: str | None) -> Backdrop | None:
    """What the option names: ``blur``, a colour (name or hex), or an image file. None stays None (transparent).

    Raises ``OptionError`` when it is none of these or the file cannot be read.
    """
    if background is None:
        return None
    if background == "blur":
        return blurred
    colour = parse_colour(background)
    if colour is not None:
        return partial(flat, colour)
    path = Path(background)
    if path.is_file():
        try:
            return partial(covered, decode(Source(background, path)).pixels)
        except ImageError as error:
            raise OptionError(f"--background {error}") from error
    raise OptionError(f"--background {background!r} is no colour, no image file and not 'blur'.")


def describe_cutouts(options: CutoutOptions) -> dict[str, object]:
    """What of the options determines cut-outs: their values, and the content of an image file."""
    facts, background = identity(options, CutoutOptions), options.background
    if background is None or background == "blur" or parse_colour(background) is not None:
        return facts
    with open_regular(Path(background)) as file:
        return facts | {"background_sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def parse_colour(text: str) -> tuple[int, int, int] | None:
    """RGB of a colour that Pillow knows (``white``, ``#ffcc00``, ``hsl(120, 50%, 50%)``), else None."""
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        return None
    return red, green, blue


def flat(colour: tuple[int, int, int], pixels: NDArray[np.uint8], _: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A background of one colour, RGB ``(H, W, 3)``."""
    return np.broadcast_to(np.array(colour, np.uint8), pixels.shape)


def covered(image: NDArray[np.uint8], pixels: NDArray[np.uint8], _: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Another photograph, scaled until it covers the frame, its middle kept."""
    height, width = pixels.shape[:2]
    return np.asarray(ImageOps.fit(PIL.Image.fromarray(image), (width, height), PIL.Image.Resampling.BICUBIC))


def blurred(pixels: NDArray[np.uint8], alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The photograph's own background, out of focus; the objects' colours do not bleed into it."""
    height, width = alpha.shape
    scale = min(1.0, BLUR_SIDE / max(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    weight = cv2.resize(1 - alpha, small, interpolation=cv2.INTER_AREA) + np.float32(1e-3)  # (h, w)
    colours = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA) * weight[..., None]  # (h, w, 3)
    sigma = BLUR * max(small)
    mean = cv2.GaussianBlur(colours, (0, 0), sigma) / cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]  # (h, w, 3)
    return cv2.resize(np.round(mean).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
