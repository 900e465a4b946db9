"""What ``group`` writes: a label map and an overlay per photograph, ``clusters.json`` and ``clusters.png``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from dinoseg.draw.colours import object_colours
from dinoseg.draw.contact import Row, Tile, row_sheet, thumbnail
from dinoseg.errors import ResultLost
from dinoseg.grouping.summary import Group
from dinoseg.outputs.files import existing, free_path, remove_files, write_under
from dinoseg.outputs.folder import OutputFolder
from dinoseg.outputs.format import label_map, png_bytes
from dinoseg.outputs.overlays import coloured
from dinoseg.outputs.record import Record
from dinoseg.types import Photo

LABELS, OVERLAYS = "semantic", "semantic-overlays"
FOLDERS = (LABELS, OVERLAYS)
CLUSTERS, SHEET = "clusters.json", "clusters.png"
ROWS = 30
"""Groups on the sheet: the largest."""


def up_to_date(root: Path, record: Record, numbers: Sequence[int]) -> bool:
    """Whether a photograph's files are there and say what ``numbers``, the cluster of each object, say."""
    there = all(existing(root, record.files.get(name)) for name in FOLDERS)
    return there and [thing.get("cluster") for thing in record.objects] == list(numbers)


def draw(record: Record, photo: Photo, numbers: Sequence[int]) -> dict[str, bytes]:
    """The label map and the overlay of a photograph as PNG, by folder.

    Raises ``ResultLost`` where the record holds no masks of this photograph.
    """
    masks = [(thing["rle"], number) for thing, number in zip(record.objects, numbers, strict=True)]
    try:
        if record.size is None or tuple(record.size) != photo.size:
            raise ValueError(f"they are of {record.size} px")  # noqa: TRY301
        labels = label_map(photo.size, masks)  # (H, W)
    except ValueError as error:
        raise ResultLost(f"{record.id}: its masks in the manifest are damaged ({error}); run it again.") from error
    return {LABELS: png_bytes(palette_picture(labels)), OVERLAYS: png_bytes(coloured(photo.pixels, labels))}


def palette_picture(labels: NDArray[np.uint16]) -> PIL.Image.Image:
    """A label map ``(H, W)`` as picture of mode P: 0 background in black, k in the colour of cluster k."""
    picture = PIL.Image.fromarray(labels.astype(np.uint8))
    picture.putpalette(bytes(3) + object_colours(255).tobytes())
    return picture


def write(folder: OutputFolder, record: Record, pictures: Mapping[str, bytes], numbers: Sequence[int]) -> None:
    """Write a photograph's pictures, then its record with them and with the cluster of each object."""
    files = dict(record.files)
    for name, content in pictures.items():
        path = files.get(name) or free_path(folder.root, name, record.id, ".png", folder.spellings)
        write_under(folder.root, path, [content])
        files[name] = path
    objects = [{**thing, "cluster": number} for thing, number in zip(record.objects, numbers, strict=True)]
    folder.amend(replace(record, objects=tuple(objects), files=files))


def forget(folder: OutputFolder, record: Record) -> None:
    """Remove what ``write`` wrote for a photograph that is no longer asked for."""
    remove_files(folder.root, [record.files.get(name) for name in FOLDERS])
    files = {name: path for name, path in record.files.items() if name not in FOLDERS}
    objects = [{key: value for key, value in thing.items() if key != "cluster"} for thing in record.objects]
    folder.amend(replace(record, objects=tuple(objects), files=files))


def sheet(folder: OutputFolder, groups: Sequence[Group], photographs: int) -> bytes:
    """A row of examples for each group, as PNG."""
    colours = object_colours(len(groups))
    rows = []
    for group, colour in zip(groups[:ROWS], colours, strict=False):
        red, green, blue = map(int, colour)
        rows.append(Row(title(group), (red, green, blue), list(tiles(folder, group))))
    shown = f"the {ROWS} largest of " if len(groups) > ROWS else ""
    return png_bytes(row_sheet(rows, f"{shown}{len(groups)} groups of {photographs} photographs"))


def title(group: Group) -> str:
    """``3: 57 regions in 50 photographs, silhouette 0.21``."""
    score = "" if group.score is None else f", silhouette {group.score:.2f}"
    regions = f"{group.regions} region{'' if group.regions == 1 else 's'}"
    return f"{group.label}: {regions} in {group.photographs} photograph{'' if group.photographs == 1 else 's'}{score}"


def tiles(folder: OutputFolder, group: Group) -> Iterator[Tile]:
    """The overlays of a group's examples."""
    for example in group.examples:
        record = folder.known(example.id)
        path = existing(folder.root, record.files.get(OVERLAYS)) if record else None
        if path is not None:
            with suppress(OSError, SyntaxError), PIL.Image.open(path, formats=["PNG"]) as overlay:  # damaged since
                yield Tile(thumbnail(overlay), example.id)


def places(output: Path) -> dict[str, Path]:
    """Where results are, for people."""
    return {name: output / name for name in (*FOLDERS, CLUSTERS, SHEET)}
