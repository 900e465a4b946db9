"""A folder of pictures beside a folder of masks: DUTS, ECSSD, DUT-OMRON, your own."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from dinoseg.evaluation.datasets.base import Dataset, Layout, Sample, Truth, by_id
from dinoseg.evaluation.datasets.lists import by_stem
from dinoseg.images.labels import read_labels

IMAGE_WORDS = re.compile(r"im(age|g)|jpe?g|photo|picture", re.IGNORECASE)
MASK_WORDS = re.compile(r"mask|gt|ground.?truth|annotation|label", re.IGNORECASE)


def find_pairs(root: Path, image_set: str | None = None) -> Dataset | None:
    """The one folder whose name says masks, beside the one whose name says images."""
    folders = [path for path in sorted(root.iterdir()) if path.is_dir()] if root.is_dir() else []
    masks = [path for path in folders if MASK_WORDS.search(path.name)]
    images = [path for path in folders if IMAGE_WORDS.search(path.name) and path not in masks]
    return pairs(images[0], masks[0], image_set) if len(images) == len(masks) == 1 else None


def pairs(images: Path, masks: Path, image_set: str | None = None) -> Dataset:
    """Pictures and masks that share a path but for the extension."""
    photos, truths = by_stem(images), by_stem(masks)
    samples = []
    for stem in photos.keys() | truths.keys():
        image, mask = photos.get(stem, images / f"{stem}.jpg"), truths.get(stem, masks / f"{stem}.png")
        samples.append(Sample(image.relative_to(images).as_posix(), image, mask, partial(grey_truth, mask)))
    rule = "grey above half of the brightest level, any number (of a palette, or grey below 255) but 0; no void"
    name = images.parent.name if images.parent == masks.parent else f"{images.name} + {masks.name}"
    return Dataset(name, "images + masks", rule, by_id(samples)).listed(image_set)


def grey_truth(path: Path) -> Truth:
    """See the rule in ``pairs``; the foreground is the only object."""
    foreground = read_labels(path).objects() > 0
    return Truth(foreground, lambda: [foreground] if foreground.any() else [])


PAIRS = Layout(
    "images/ and masks/ (any two folders whose names say so): a mask has its picture's name; ECSSD, DUTS-TE, DUT-OMRON",
    find_pairs,
    pairs,
)
