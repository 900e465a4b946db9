"""A data set is a sorted list of pictures, each with a truth that is read when it is asked for, as it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dinoseg.errors import DatasetError
from dinoseg.evaluation.datasets.lists import Names, names_in
from dinoseg.evaluation.metrics.boxes import Boxes, mask_box
from dinoseg.evaluation.metrics.masks import Mask
from dinoseg.images.labels import VOID


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is known about one picture, in the frame of the upright picture."""

    foreground: Mask
    """``(H, W)``: any object."""
    objects: Callable[[], list[Mask]]
    """Reads the masks of the single objects, each ``(H, W)``, none of them empty."""
    void: Mask | None = None
    """``(H, W)``: pixels that count neither for nor against."""
    classes: tuple[str, ...] = ()
    """Names of the classes in the picture, where the data set has classes."""
    boxes: Callable[[], Boxes] | None = None
    """Reads the annotated boxes, where the data set has some."""
    crowds: Callable[[], list[Mask]] = list
    """Reads the regions ``(H, W)`` in which objects were not told apart."""
    class_map: NDArray[np.uint8] | None = None
    """``(H, W)``: 0 background, then the data set's classes from 1, 255 void; where the data set has classes."""
    only_boxes: bool = False
    """Whether masks are the insides of annotated boxes."""
    numbers: NDArray[np.uint8] | None = None
    """``(H, W)``: 0 background, then objects by the number that they have in all frames, 255 void; in videos."""

    def object_numbers(self) -> NDArray[np.uint8]:
        """``numbers``, of a frame of a video."""
        assert self.numbers is not None
        return self.numbers

    def object_boxes(self) -> Boxes:
        """The annotated boxes, or the boxes of the objects' masks; ``(n, 4)``."""
        if self.boxes:
            return self.boxes()
        return np.array([mask_box(mask) for mask in self.objects()], np.float64).reshape(-1, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture and the way to its truth."""

    id: str
    """Path below the folder of the pictures, with extension."""
    image: Path
    mask: Path
    """The file that holds the truth."""
    truth: Callable[[], Truth]
    sequence: str = ""
    """Name of the video that the picture is a frame of."""
    number: int | float | str | None = None
    """COCO's id of the picture."""
    size: tuple[int, int] | None = None
    """``(H, W)`` that COCO's json says, the frame of annotations and results."""
    fault: str = ""
    """What the data set's own entry of the picture lacks, where it lacks something."""
    also: tuple[Path, ...] = ()
    """Further files from which the truth is read, where they are there."""

    @property
    def lacking(self) -> Path | None:
        """Where the picture should lie and does not, or else its truth."""
        return next((path for path in (self.image, self.mask) if not path.is_file()), None)

    @property
    def missing(self) -> str | None:
        """``missing_image`` or ``missing_mask`` when that file is not there, ``broken_entry`` for a fault."""
        if self.fault:
            return "broken_entry"
        if self.lacking is None:
            return None
        return "missing_image" if self.lacking == self.image else "missing_mask"


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Pictures in the order that splits count by."""

    name: str
    layout: str
    foreground: str
    """One line: what counts as foreground, what as void, and where boxes come from."""
    samples: tuple[Sample, ...]
    """Sorted by id; those with a missing file are in it."""
    classes: tuple[str, ...] = ()
    has_masks: bool = True
    """Otherwise only boxes are annotated, and the foreground is what lies in them."""
    source: str = ""
    """What its makers pack it in and what that is unpacked to, where that is known."""
    numbers: frozenset[int | float | str] = frozenset()
    """COCO's ids of all pictures of a json, those included that a list leaves out."""

    def gaps(self, samples: Iterable[Sample]) -> str:
        """Sentences that say what these pictures lack, up to three of a kind, and where their files come from."""
        faults = [sample.fault for sample in samples if sample.fault]
        lacking = [str(sample.lacking) for sample in samples if sample.lacking and not sample.fault]
        packed = f" They are in {self.source}." if self.source else ""
        sentences = [f"Broken: {first_of(faults)}"] if faults else []
        sentences += [f"Not there: {first_of(lacking)}{packed} Is it half a download?"] if lacking else []
        return " ".join(sentences)

    def listed(self, image_set: str | None) -> Dataset:
        """The pictures that a text file names, with or without folder and extension; all where there is no list.

        Raises ``DatasetError`` for a file that is not there, and for names of other pictures.
        """
        if image_set is None:
            return self
        if not Path(image_set).is_file():
            raise DatasetError(f"--image-set {image_set} is not there: {self.layout} need a text file, a name a line.")
        names = names_in(Path(image_set), Names(sample.id for sample in self.samples))
        lacking = [name for name, id_ in names.items() if id_ is None]
        if lacking:
            which = f"{len(lacking)} of {len(names)} names, for instance {lacking[0]}; a name is of one picture"
            raise DatasetError(f"{image_set} names pictures that are not in {self.name} ({which}).")
        chosen = set(names.values())
        samples = tuple(sample for sample in self.samples if sample.id in chosen)
        return replace(self, layout=f"{self.layout}, {Path(image_set).name}", samples=samples)

    def select(self, split: Literal["all", "even", "odd"] = "all", every: int = 1) -> list[Sample]:
        """The pictures at even or odd positions of the list, or both; of these every n-th.

        Videos are split by the position of their name and thinned by frame.
        """
        halves = ("even", "odd") if split == "all" else (split,)
        return sorted((x for half in halves for x in self.half(half, every)), key=lambda sample: sample.id)

    def half(self, half: str, every: int) -> list[Sample]:
        """The pictures (videos) at even or odd positions of the list, every n-th of them."""
        positions = slice(1 if half == "odd" else 0, None, 2)
        sequences = sorted({sample.sequence for sample in self.samples})
        if sequences == [""]:
            return list(self.samples[positions][::every])
        videos = [[x for x in self.samples if x.sequence == name] for name in sequences[positions]]
        return [frame for video in videos for frame in video[::every]]


def never(images: Path, masks: Path, image_set: str | None) -> None:
    """A layout that has no folder of masks of its own."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the data sets of one kind lie on a disk."""

    expected: str
    """What must lie where, in one line for messages."""
    open: Callable[[Path, str | None], Dataset | None]
    """A folder (or file) and the name of a list of pictures -> the data set; None for any other layout.

    Raises ``DatasetError`` for a data set of this layout that is not whole.
    """
    open_pair: Callable[[Path, Path, str | None], Dataset | None] = never
    """The same of a folder of pictures and a folder of masks."""


def first_of(texts: Sequence[str]) -> str:
    """Up to three of them, and whether there are more."""
    return ", ".join(texts[:3]) + (" ..." if len(texts) > 3 else ".")


def by_id(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Samples in the order that splits count by."""
    return tuple(sorted(samples, key=lambda sample: sample.id))


def by_value(values: NDArray[np.uint8]) -> list[Mask]:
    """One mask per object id; 0 and 255 are none."""
    return [values == value for value in np.unique(values) if value not in (0, VOID)]
