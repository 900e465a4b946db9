"""Ground truth in COCO's json."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from functools import partial
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle

from dinoseg.errors import DatasetError
from dinoseg.evaluation.metrics import Boxes, Mask, mask_box
from dinoseg.evaluation.samples import Dataset, Sample, Truth, by_id
from dinoseg.images.text import read_text, spelled

NEEDED = {"images": ("id", "file_name", "height", "width"), "annotations": ("image_id", "segmentation", "category_id")}


def find_coco(root: Path, image_set: str | None = None) -> Dataset | None:
    """A COCO json file, or the folder with ``annotations/instances_*.json`` in it; COCO20k is a list of train2014."""
    if root.is_file():
        return coco(root).listed(image_set) if root.suffix == ".json" else None
    found = sorted((root / "annotations").glob("instances_*.json"))
    val = [path for path in found if "val" in path.stem] or found
    if len(val) > 1:
        raise DatasetError(f"{root} has several instances files: name the one that is meant, for instance {val[0]}.")
    return coco(val[0]).listed(image_set) if val else None


def coco(path: Path) -> Dataset:
    """All pictures of a json file, those without annotations included. Raises ``DatasetError`` for a broken one."""
    content = read_json(path)
    names = {x["id"]: str(x["name"]) for x in content.get("categories", ())}
    of_picture = defaultdict(list)
    for annotation in content["annotations"]:
        of_picture[annotation["image_id"]].append(annotation)
    check_once(path, "id", [picture["id"] for picture in content["images"]])
    folder = picture_folder(path, content["images"])
    samples = []
    for picture in content["images"]:
        image, size = below(folder, picture["file_name"], path), (int(picture["height"]), int(picture["width"]))
        annotations = of_picture[picture["id"]]
        truth = partial(coco_truth, annotations, size, names)
        name = image.relative_to(folder).as_posix()
        samples.append(Sample(name, image, path, truth, number=picture["id"]))
    check_once(path, "file_name", [sample.id for sample in samples])
    rule = "any annotation, crowd regions included; no void; boxes: annotated, without crowds"
    classes = tuple(sorted(set(names.values())))
    return Dataset(path.stem, "COCO json", rule, by_id(samples), classes, source=coco_source(path))


def coco_source(path: Path) -> str:
    """Where the pictures of one of COCO's own files come from."""
    part = path.stem.removeprefix("instances_")
    return f"{part}.zip (cocodataset.org), unpacked to {part} beside annotations" if part != path.stem else ""


def read_json(path: Path) -> dict[str, Any]:
    """The file's content, its lists and needed keys checked. Raises ``DatasetError``."""
    content = load_json(path)
    for part, keys in NEEDED.items():
        entries = content.get(part) if isinstance(content, dict) else None
        if not isinstance(entries, list):
            raise DatasetError(f"{path} has no list {part!r}: is it a COCO instances file?")
        for index, entry in enumerate(entries):
            absent = [key for key in keys if key not in entry] if isinstance(entry, dict) else list(keys)
            if absent:
                raise DatasetError(f"{path}: {part}[{index}] has no {', '.join(absent)}.")
    return content


def load_json(path: Path) -> Any:
    """What is in the file. Raises ``DatasetError`` for one that cannot be read."""
    try:
        return json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as json ({error}): it may be half a download.") from error


def check_once(path: Path, key: str, values: list[Any]) -> None:
    """Raise ``DatasetError`` for a picture that is listed twice: it would count twice."""
    (most, count), *_ = Counter(values).most_common(1) or [(None, 0)]
    if count > 1:
        raise DatasetError(f"{path} lists {count} pictures with the {key} {most!r}: each must have its own.")


def picture_folder(path: Path, pictures: list[dict[str, Any]]) -> Path:
    """Where the pictures lie: ``val2017`` beside ``annotations``, there in ``images``, or beside the json."""
    root, part = path.parent.parent, path.stem.removeprefix("instances_")
    candidates = (root / part, root / "images" / part, root / "images", path.parent / "images", path.parent)
    for folder in candidates:
        if any(spelled(folder, picture["file_name"]).is_file() for picture in pictures):
            return folder
    looked = ", ".join(str(folder) for folder in candidates)
    packed = f" They are in {source}." if (source := coco_source(path)) else ""
    raise DatasetError(f"{path} lists {len(pictures)} pictures, none of which is there (looked in {looked}).{packed}")


def below(folder: Path, name: str, path: Path) -> Path:
    """The picture's path. Raises ``DatasetError`` for a name that leaves the folder."""
    image = spelled(folder, name)
    if not image.resolve().is_relative_to(folder.resolve()):
        raise DatasetError(f"{path}: the file_name {name!r} leaves {folder}.")
    return image


def coco_truth(annotations: list[dict[str, Any]], size: tuple[int, int], names: dict[int, str]) -> Truth:
    """Union of all annotations, crowd included."""
    foreground = np.zeros(size, bool)
    for annotation in annotations:
        foreground |= decode(annotation, size)
    present = {names[x["category_id"]] for x in annotations if x["category_id"] in names}
    crowds, single = (
        [annotation for annotation in annotations if bool(annotation.get("iscrowd")) == crowd]
        for crowd in (True, False)
    )
    return Truth(
        foreground,
        partial(coco_masks, single, size),
        classes=tuple(sorted(present)),
        boxes=partial(coco_boxes, single, size),
        crowds=partial(coco_masks, crowds, size),
    )


def coco_masks(annotations: list[dict[str, Any]], size: tuple[int, int]) -> list[Mask]:
    """One mask per annotation that is not empty."""
    masks = [decode(annotation, size) for annotation in annotations]
    return [mask for mask in masks if mask.any()]


def coco_boxes(annotations: list[dict[str, Any]], size: tuple[int, int]) -> Boxes:
    """The annotated boxes, ``(n, 4)``; around the mask where there is none. Raises ``DatasetError``."""
    boxes = [box_of(x) if "bbox" in x else mask_box(decode(x, size)) for x in annotations]
    return np.array(boxes, np.float64).reshape(-1, 4)


def box_of(annotation: dict[str, Any]) -> tuple[float, float, float, float]:
    """``x0, y0, x1, y1`` of COCO's ``x, y, width, height``. Raises ``DatasetError``."""
    try:
        x, y, width, height = map(float, annotation["bbox"])
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{named(annotation)} has a broken bbox ({error}).") from error
    if not all(map(isfinite, (x, y, width, height))) or min(width, height) < 0:
        raise DatasetError(f"{named(annotation)} has a broken bbox ({annotation['bbox']}).")
    return x, y, x + width, y + height


def score_of(annotation: dict[str, Any]) -> float:
    """How sure a result is, 1 where it does not say. Raises ``DatasetError``."""
    try:
        score = float(annotation.get("score", 1))
    except (TypeError, ValueError):
        score = nan
    if not isfinite(score):
        raise DatasetError(f"{named(annotation)} has the score {annotation['score']!r}.")
    return score


def named(annotation: dict[str, Any]) -> str:
    """How a message calls it: results have no id."""
    number = annotation.get("id")
    return f"annotation {number}" if number is not None else f"a result of picture {annotation.get('image_id')}"


def decode(annotation: dict[str, Any], size: tuple[int, int]) -> Mask:
    """``(H, W)`` mask of polygons or run lengths. Raises ``DatasetError`` for what is neither."""
    shape = annotation.get("segmentation")
    if not shape:
        raise DatasetError(f"{named(annotation)} has no segmentation.")
    try:
        if isinstance(shape, list):
            return rle.decode(rle.merge(rle.frPyObjects(polygons(shape, size), *size))).astype(bool)  # (H, W)
        counts = shape["counts"]
        return filled(run_lengths(counts) if isinstance(counts, str) else counts, tuple(shape["size"]), size)
    except Exception as error:  # pycocotools raises the bare class
        raise DatasetError(f"{named(annotation)} has a broken segmentation ({error}).") from error


def polygons(shape: list[Any], size: tuple[int, int]) -> list[list[float]]:
    """Polygons that pycocotools can draw: it takes memory for every pixel along an edge, however far away."""
    checked = [np.array(polygon, np.float64) for polygon in shape]  # each (2 * corners,)
    for polygon in checked:
        if polygon.ndim != 1 or polygon.size < 6 or polygon.size % 2:
            raise ValueError("a polygon is a list of three or more x, y pairs")
        if not (np.abs(polygon) <= 2 * max(size)).all():
            raise ValueError("a polygon lies far outside of its picture")
    return [polygon.tolist() for polygon in checked]


def run_lengths(text: str) -> list[int]:
    """COCO's compressed counts as numbers; pycocotools reads beyond the memory of a broken text.

    Five bits a character from 48 on, the sixth says that more follow, the last fifth is the sign; from the fourth
    number on, the difference to the last but one.
    """
    counts: list[int] = []
    number = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        number |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            number -= (bits & 16) << (shift - 4)
            counts.append(number + (counts[-2] if len(counts) > 2 else 0))
            number = shift = 0
    return counts


def filled(counts: list[int], said: tuple[int, ...], size: tuple[int, int]) -> Mask:
    """``(H, W)`` mask of runs of 0 and 1 in turn, down the columns."""
    height, width = size
    if said != size:
        raise ValueError(f"it is of {said} px, its picture of {size}")
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise ValueError("its runs do not add up to the picture")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T
