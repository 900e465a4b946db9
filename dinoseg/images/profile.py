"""A photograph in the colours of its own profile, for results that keep it; everything else is sRGB."""

from __future__ import annotations

import io
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageCms

from dinoseg.images.decode import open_file, read_orientation, typed_errors
from dinoseg.images.deep import is_deep
from dinoseg.images.formats import open_image
from dinoseg.images.turns import TURNS
from dinoseg.types import Image


@dataclass(frozen=True, slots=True, eq=False)
class Profiled:
    """A photograph as its file has it."""

    pixels: NDArray[np.uint8]
    """Upright, ``(H, W, 3)`` in the colours of ``profile``."""
    profile: bytes
    """ICC."""

    def from_srgb(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Other pixels ``(h, w, 3)``, of sRGB, in these colours."""
        target = ImageCms.ImageCmsProfile(io.BytesIO(self.profile))
        image = PIL.Image.fromarray(np.ascontiguousarray(pixels))
        return np.asarray(ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), target))


def read_profiled(content: Image) -> Profiled | None:
    """The photograph with its profile; None where it has none, or is not RGB of 8 bit, or no file or bytes.

    Raises ``ImageError`` for what cannot be read.
    """
    if not isinstance(content, str | Path | bytes):
        return None
    with typed_errors(), ExitStack() as stack:
        stream = io.BytesIO(content) if isinstance(content, bytes) else stack.enter_context(open_file(content))
        _, image = open_image(stream)
        profile = image.info.get("icc_profile")
        if image.mode != "RGB" or is_deep(image) or not profile:
            return None
        try:
            known = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if known.profile.xcolor_space.strip() != "RGB":
                return None
        except OSError:  # damaged
            return None
        image.load()
        turn, pixels = TURNS.get(read_orientation(image)[0]), np.array(image)
        return Profiled(turn.array(pixels) if turn else pixels, profile)
