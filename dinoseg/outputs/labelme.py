"""``labelme/<stem>.json``: polygons for labelme; beside its photograph, whose name it has, each opens by itself."""

from __future__ import annotations

from pathlib import PurePosixPath

from dinoseg.outputs.format import ImageFormat, Scene
from dinoseg.outputs.polygons import trace
from dinoseg.strict_json import to_json

VERSION = "5.0.0"
"""Of labelme, whose layout this is; later ones read it too."""


def encode(scene: Scene) -> bytes:
    """The file's content: a polygon for each part of an object; parts of one object share a ``group_id``."""
    height, width = scene.size
    shapes = [
        {
            "label": "object",
            "points": part.polygon().astype(float).tolist(),
            "group_id": instance.label,
            "description": f"score {instance.score:.3f}",
            "shape_type": "polygon",
            "flags": {},
        }
        for instance in scene.segmentation
        for part in trace(instance.rle)
    ]
    picture = {
        "imagePath": PurePosixPath(scene.segmentation.id).name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    return to_json({"version": VERSION, "flags": {}, "shapes": shapes, **picture}, indent=2).encode() + b"\n"


LABELME = ImageFormat(".json", encode, stem=True)
