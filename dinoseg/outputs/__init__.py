"""Results as files: one file per format, and the folder that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dinoseg.errors import OptionError
from dinoseg.registry import Registry

if TYPE_CHECKING:
    from dinoseg.outputs.format import FolderFormat, ImageFormat

FORMATS = Registry(
    "--formats",
    {
        "masks": "dinoseg.outputs.masks:MASKS",
        "labels": "dinoseg.outputs.labels:LABELS",
        "overlays": "dinoseg.outputs.overlays:OVERLAYS",
        "cutouts": "dinoseg.outputs.cutouts:CUTOUTS",
        "attention": "dinoseg.outputs.attention:ATTENTION",
        "descriptors": "dinoseg.outputs.descriptors:DESCRIPTORS",
        "coco": "dinoseg.outputs.coco:COCO",
        "coco-polygons": "dinoseg.outputs.coco_polygons:COCO_POLYGONS",
        "yolo": "dinoseg.outputs.yolo:YOLO",
        "labelme": "dinoseg.outputs.labelme:LABELME",
        "label-studio": "dinoseg.outputs.label_studio:LABEL_STUDIO",
        "cvat": "dinoseg.outputs.cvat:CVAT",
        "contact-sheet": "dinoseg.outputs.contact_sheet:CONTACT_SHEET",
        "report": "dinoseg.outputs.report:REPORT",
        "video": "dinoseg.outputs.video:VIDEO",
    },
)
"""Every format by its name: ``module:attribute`` of an ``ImageFormat`` or a ``FolderFormat``."""

FEATURES = Registry(
    "--formats",
    {
        "patches": "dinoseg.outputs.features:PATCHES",
        "embedding": "dinoseg.outputs.features:EMBEDDING",
        "objects": "dinoseg.outputs.features:OBJECTS",
        "parquet": "dinoseg.outputs.features:EMBEDDINGS",
        "pca": "dinoseg.outputs.features:PCA",
    },
)
"""The same of ``dinoseg features``; beside the file of ``pca``, which is its basis, there are pictures."""

OF_NETWORKS = ("attention", "descriptors")
"""Formats of what a network says."""


OF_SEVERAL = "a video's masks are made of several frames; name other --formats"
"""Why there are none of ``OF_NETWORKS`` for a video."""


def refuse_formats(names: Iterable[str], why: str) -> None:
    """Raise ``OptionError`` for a format of what a network says, where none is asked: ``why``, and what to do."""
    for name in names:
        if name in OF_NETWORKS:
            raise OptionError(f"there would be no {name} to write: {why}.")


def load_format(name: str, registry: Registry = FORMATS) -> ImageFormat | FolderFormat:
    """The format of that name. Raises ``OptionError`` for a name that is not there."""
    loaded: ImageFormat | FolderFormat = registry.load(name)
    return loaded


def split_formats(
    names: Iterable[str], registry: Registry = FORMATS
) -> tuple[dict[str, ImageFormat], dict[str, FolderFormat]]:
    """The named formats: those with a file per image (also those that another one needs), and those per folder."""
    from dinoseg.outputs.format import ImageFormat

    per_image: dict[str, ImageFormat] = {}
    per_folder: dict[str, FolderFormat] = {}
    for name in names:
        loaded = load_format(name, registry)
        if isinstance(loaded, ImageFormat):
            per_image[name] = loaded
            per_folder |= {name: loaded.index} if loaded.index else {}
        else:
            per_folder[name] = loaded
            per_image |= split_formats(loaded.needs, registry)[0]
    return per_image, per_folder
