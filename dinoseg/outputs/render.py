"""The one way from a segmentation to pictures and files, for folder runs and for the methods of ``Segmentation``."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from dinoseg.errors import OptionError
from dinoseg.options import CutoutOptions
from dinoseg.outputs import load_format, split_formats
from dinoseg.outputs.backdrop import make_backdrop
from dinoseg.outputs.files import Spellings, free_path, write_under
from dinoseg.outputs.format import ImageFormat, Scene, png_bytes
from dinoseg.outputs.record import record_of
from dinoseg.types import Photo

if TYPE_CHECKING:
    from dinoseg.segmentation import Segmentation

__all__ = ["png_bytes", "render_image", "save", "write_files"]


def render_image(
    format: str,  # noqa: A002 - the word that users know
    segmentation: Segmentation,
    *,
    photo: Photo | None = None,
    soft: NDArray[np.float32] | None = None,
    look: CutoutOptions | None = None,
) -> PIL.Image.Image:
    """One format's picture of a segmentation, as its file would hold it.

    What is not handed in is made when it is needed: ``photo`` by decoding again, ``soft`` ``(n, H, W)`` by refining
    again. Raises ``OptionError`` for a format that is no picture and for an unknown background.
    """
    loaded = load_format(format)
    if not isinstance(loaded, ImageFormat) or loaded.draw is None:
        raise OptionError(f"the format {format!r} is not a picture; masks, labels, overlays and cutouts are.")
    return loaded.draw(Scene(segmentation, photo, soft, make_backdrop(look.background if look else None), look))


def write_files(
    root: Path,
    scene: Any,
    formats: Mapping[str, ImageFormat],
    known: Mapping[str, str | None],
    spellings: Spellings,
    *,
    stems: bool = False,
) -> dict[str, str | None]:
    """Write one image's files below ``root`` (a real path); their paths in it by format.

    ``known`` are the paths that this image has already: they are its own and are written again. ``stems``: all files
    are named by the stem of the image, not only those of formats that are.
    """
    files: dict[str, str | None] = {}
    for name, format_ in formats.items():
        content = format_.encode(scene)
        files[name] = None
        if content is not None:
            folder, id_ = posixpath.join(name, format_.below).rstrip("/"), scene.id
            suffix = format_.suffix if isinstance(format_.suffix, str) else format_.suffix(scene.look)
            stem = stems or format_.stem
            path = known.get(name) or free_path(root, folder, id_, suffix, spellings, stem=stem)
            write_under(root, path, [content])
            files[name] = path
    return files


def save(segmentation: Segmentation, directory: Path, formats: Iterable[str]) -> list[Path]:
    """Write the named formats under ``directory`` (created if missing) as a folder run would; returns the paths.

    There is no manifest: files of the same names are replaced.
    """
    per_image, per_folder = split_formats(formats)
    directory.mkdir(parents=True, exist_ok=True)
    root = directory.resolve()
    files = write_files(root, Scene(segmentation), per_image, {}, Spellings())
    record = record_of(segmentation, files=files)
    for format_ in per_folder.values():
        write_under(root, format_.file, format_.build([record], root))
    names = [*files.values(), *(format_.file for format_ in per_folder.values())]
    return [directory / name for name in names if name is not None]
