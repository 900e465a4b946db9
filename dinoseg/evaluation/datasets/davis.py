"""DAVIS 2016 and 2017 at 480p."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from dinoseg.errors import DatasetError
from dinoseg.evaluation.datasets.base import Dataset, Layout, Sample, Truth, by_id, by_value
from dinoseg.evaluation.datasets.lists import (
    by_stem,
    names_in,
    set_file,
    set_name,
)
from dinoseg.images.labels import VOID, read_labels
from dinoseg.images.text import spellings

DAVIS_SOURCE = "DAVIS-2017-trainval-480p.zip (davischallenge.org), unpacked to DAVIS"
DAVIS_SETS = ("2016/val", "480p/val", "2017/val")


def find_davis(root: Path, image_set: str | None = None, masks: Path | None = None) -> Dataset | None:
    """The sequences of one of DAVIS's lists at 480p; a folder is DAVIS's when it holds ``JPEGImages/480p``.

    ``masks``: the folder with a folder of masks per sequence, where it is not the usual one.
    """
    images, masks = root / "JPEGImages" / "480p", masks or davis_annotations(root)
    if not images.is_dir():
        return None
    listing = set_file(root, image_set or davis_default(root), DAVIS_SOURCE)
    samples = []
    for sequence in sequences_in(listing, images):
        photos, truths = by_stem(images / sequence, "*"), by_stem(masks / sequence, "*.png")
        for stem in photos.keys() | truths.keys() or {"00000"}:
            image = photos.get(stem, images / sequence / f"{stem}.jpg")
            mask = truths.get(stem, masks / sequence / f"{stem}.png")
            samples.append(Sample(f"{sequence}/{image.name}", image, mask, partial(davis_truth, mask), sequence))
    rule = f"any id above 0 in {masks.parent.name}, as in DAVIS 2016; 255 is void in a palette mask"
    return Dataset(root.name, f"DAVIS 480p, {set_name(listing)}", rule, by_id(samples), source=DAVIS_SOURCE)


def davis_annotations(root: Path) -> Path:
    """Where the masks lie: those of the unsupervised challenge of 2017 come in a folder of their own."""
    usual, unsupervised = (root / name / "480p" for name in ("Annotations", "Annotations_unsupervised"))
    return unsupervised if unsupervised.is_dir() and not usual.is_dir() else usual


def davis_default(root: Path) -> str:
    """The val list of the folder. Raises ``DatasetError`` where there are several that differ."""
    present = [name for name in DAVIS_SETS if (root / "ImageSets" / f"{name}.txt").is_file()]
    listed = {name: sequences_in(set_file(root, name, DAVIS_SOURCE), root / "JPEGImages" / "480p") for name in present}
    if any(sequences != listed[present[0]] for sequences in listed.values()):
        counts = ", ".join(f"{name} with {len(sequences)} sequences" for name, sequences in listed.items())
        raise DatasetError(f"{root} has lists that differ ({counts}): say which with --image-set {present[-1]}.")
    return present[0] if present else DAVIS_SETS[-1]


def sequences_in(listing: Path, images: Path) -> list[str]:
    """Names of sequences: one a line (2016, 2017), or ``frame mask`` a line (480p).

    A name that is no folder of ``images`` stays as it is written.
    """
    folders = {path.name for path in images.iterdir()}

    def meaning(name: str) -> str | None:
        called = (each for spelling in spellings(name) for each in (spelling, Path(spelling).parent.name))
        return next((each for each in called if each in folders), None)

    return sorted({meant or Path(name).parent.name or name for name, meant in names_in(listing, meaning).items()})


def davis_truth(path: Path) -> Truth:
    """Every id above 0; 255 is the one object of DAVIS 2016's grey masks, void in a palette picture."""
    numbers = read_labels(path).objects()
    void = numbers == VOID
    return Truth((numbers > 0) & ~void, lambda: by_value(numbers), void if void.any() else None, numbers=numbers)


DAVIS = Layout(
    "JPEGImages/480p/, Annotations/480p/ and ImageSets/: DAVIS 2016 or 2017",
    find_davis,
    lambda images, masks, image_set: find_davis(images, image_set, masks),
)
