"""``coco.json``: a complete COCO dataset (images, annotations, categories) with compressed RLE."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from dinoseg.outputs.format import FolderFormat
from dinoseg.outputs.record import Record, record_of
from dinoseg.strict_json import to_json
from dinoseg.version import __version__

if TYPE_CHECKING:
    from dinoseg.segmentation import Segmentation

ABOUT = "objects found by dinoseg without labels"
CATEGORIES = [{"id": 1, "name": "object", "supercategory": "object"}]


def coco_dataset(segmentations: Iterable[Segmentation]) -> dict[str, Any]:
    """Segmentations as one COCO dataset: ids count from 1 in order of the images' own ids."""
    records = sorted((record_of(segmentation) for segmentation in segmentations), key=lambda record: record.id)
    return json.loads(b"".join(coco_chunks(records)))


def run_lengths(thing: Mapping[str, Any]) -> dict[str, Any]:
    """COCO's ``segmentation`` of an object as compressed RLE."""
    return {"segmentation": thing["rle"]}


def coco_chunks(
    records: Iterable[Record], shape: Callable[[Any], dict[str, Any]] = run_lengths, about: str = ""
) -> Iterator[bytes]:
    """The dataset's JSON, an image or an annotation at a time; ``records`` are gone through twice.

    ``shape`` makes of an object what an annotation says of its mask, ``about`` tells of it in ``info``.

    Ids are numbers in the order of the records, so a sorted manifest gives the same ids in every run, and the
    manifests of several folders put together give ids without a clash.
    """
    info = {"description": f"{ABOUT}; {about}" if about else ABOUT, "version": __version__}
    yield to_json({"info": info, "licenses": [], "categories": CATEGORIES})[:-1].encode()
    for name, entries in (("images", coco_images(records)), ("annotations", coco_annotations(records, shape))):
        yield f', "{name}": ['.encode()
        for index, entry in enumerate(entries):
            yield ((",\n" if index else "\n") + to_json(entry)).encode()
        yield b"\n]"
    yield b"}\n"


def coco_images(records: Iterable[Record]) -> Iterator[dict[str, Any]]:
    """COCO's ``images``: every image that was done, also those without an object."""
    for number, record in numbered(records):
        height, width = record.size or (0, 0)
        yield {"id": number, "file_name": record.id, "height": height, "width": width}


def coco_annotations(records: Iterable[Record], shape: Callable[[Any], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """COCO's ``annotations``, with the ``score`` that result files have."""
    identifier = count(1)
    for number, record in numbered(records):
        for thing in record.objects:
            x0, y0, x1, y1 = thing["box"]
            yield {
                "id": next(identifier),
                "image_id": number,
                "category_id": 1,
                **shape(thing),
                "area": thing["area"],
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "iscrowd": 0,
                "score": thing["score"],
            }


def numbered(records: Iterable[Record]) -> Iterator[tuple[int, Record]]:
    """The records of images that were done, counted from 1."""
    return enumerate((record for record in records if record.status != "failed"), 1)


COCO = FolderFormat("coco.json", lambda records, _: coco_chunks(records))
