"""Results as files: one file per format, and the folder that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

from dinoseg.errors import OptionError

if TYPE_CHECKING:
    from dinoseg.outputs.format import FolderFormat, ImageFormat

FORMATS = {
    "masks": "dinoseg.outputs.masks:MASKS",
    "labels": "dinoseg.outputs.labels:LABELS",
    "overlays": "dinoseg.outputs.overlays:OVERLAYS",
    "cutouts": "dinoseg.outputs.cutouts:CUTOUTS",
    "attention": "dinoseg.outputs.attention:ATTENTION",
    "descriptors": "dinoseg.outputs.descriptors:DESCRIPTORS",
    "coco": "dinoseg.outputs.coco:COCO",
    "contact-sheet": "dinoseg.outputs.contact_sheet:CONTACT_SHEET",
    "video": "dinoseg.outputs.video:VIDEO",
}
"""Every format by its name: ``module:attribute`` of an ``ImageFormat`` or a ``FolderFormat``."""


OF_NETWORKS = ("attention", "descriptors")
"""Formats of what a network says."""


def refuse_formats(names: Iterable[str], why: str) -> None:
    """Raise ``OptionError`` for a format of what a network says, where none is asked: ``why``, and what to do."""
    for name in names:
        if name in OF_NETWORKS:
            raise OptionError(f"there would be no {name} to write: {why}.")


def load_format(name: str) -> ImageFormat | FolderFormat:
    """The format of that name. Raises ``OptionError`` for a name that is not there."""
    if name not in FORMATS:
        close = get_close_matches(name, FORMATS, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(FORMATS)}."
        raise OptionError(f"--formats: there is no format {name!r}; {hint}")
    module, attribute = FORMATS[name].split(":")
    return getattr(import_module(module), attribute)


def split_formats(names: Iterable[str]) -> tuple[dict[str, ImageFormat], dict[str, FolderFormat]]:
    """The named formats: those with a file per image (also those that another one needs), and those per folder."""
    from dinoseg.outputs.format import ImageFormat

    per_image: dict[str, ImageFormat] = {}
    per_folder: dict[str, FolderFormat] = {}
    for name in names:
        loaded = load_format(name)
        if isinstance(loaded, ImageFormat):
            per_image[name] = loaded
        else:
            per_folder[name] = loaded
            per_image |= split_formats(loaded.needs)[0]
    return per_image, per_folder
