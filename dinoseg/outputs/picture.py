"""One picture in the place of a folder: ``-o a.png``, or ``-o -`` for standard output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from dinoseg.errors import OptionError
from dinoseg.options import OutputOptions
from dinoseg.outputs.backdrop import make_backdrop
from dinoseg.places import check_file

PIPE = Path("-")
"""Standard input as a photograph, standard output as the place of a picture."""
KINDS: dict[str, Literal["png", "webp", "jpeg"]] = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
"""Image formats by the suffixes of files."""
PICTURES = ("cutouts", "masks", "labels", "overlays")
"""Formats that may be that picture."""


def is_picture(place: Path) -> bool:
    """Whether that names one picture, not a folder."""
    return place == PIPE or (place.suffix.lower() in KINDS and not place.is_dir())


def picture_options(options: OutputOptions) -> OutputOptions:
    """The options with the one format that is written, a cut-out unless another is named, and the file's image format.

    Raises ``OptionError`` for formats that are no picture or several, and for a suffix of another image format;
    ``OutputConflict`` where the file cannot be made. Nothing is created.
    """
    place = options.output
    formats = ("cutouts",) if options.formats == OutputOptions.formats else options.formats
    if len(formats) != 1 or formats[0] not in PICTURES or (options.asks_for_cutouts and formats != ("cutouts",)):
        raise OptionError(f"{place} is one picture: --formats may name one of {', '.join(PICTURES)}.")
    kind = options.image_format if place == PIPE else KINDS[place.suffix.lower()]
    if options.image_format not in ("png", kind) or (kind != "png" and formats != ("cutouts",)):
        raise OptionError(f"{place} would be {kind}: give it the suffix of what is written.")
    if options.names != "id" or options.json:
        raise OptionError(f"{place} is one picture: leave out --names and --json.")
    options = replace(options, formats=formats, image_format=kind)
    make_backdrop(options.background)
    if place != PIPE:
        check_file(place, replace=options.overwrite, example="new.png")
    return options
