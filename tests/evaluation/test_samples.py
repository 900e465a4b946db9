"""Masks are read as stored; splits go by position, videos by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from dinoseg.errors import DatasetError
from dinoseg.evaluation.samples import Dataset, Sample, Truth, read_labels
from tests.evaluation.sets import write_mask

VALUES = np.arange(12).reshape(3, 4)


def sample(id_: str, sequence: str = "") -> Sample:
    return Sample(id_, Path(id_), Path(id_), lambda: Truth(np.ones((1, 1), bool), list), sequence)


PICTURES = Dataset("", "", "", tuple(sample(f"{number:02}") for number in range(10)))
VIDEOS = Dataset("", "", "", tuple(sample(f"{name}/{frame}", name) for name in "abc" for frame in range(3)))


@pytest.mark.parametrize(
    ("dataset", "split", "every", "expected"),
    [
        (PICTURES, "all", 1, "00 01 02 03 04 05 06 07 08 09"),
        (PICTURES, "even", 1, "00 02 04 06 08"),
        (PICTURES, "odd", 1, "01 03 05 07 09"),
        (PICTURES, "even", 2, "00 04 08"),
        (PICTURES, "odd", 2, "01 05 09"),
        (PICTURES, "all", 2, "00 01 04 05 08 09"),  # still both halves
        (PICTURES, "odd", 99, "01"),
        (VIDEOS, "even", 1, "a/0 a/1 a/2 c/0 c/1 c/2"),
        (VIDEOS, "odd", 1, "b/0 b/1 b/2"),
        (VIDEOS, "all", 2, "a/0 a/2 b/0 b/2 c/0 c/2"),  # thinned within each video
    ],
)
def test_splits(dataset: Dataset, split: str, every: int, expected: str) -> None:
    assert [x.id for x in dataset.select(split, every)] == expected.split()


@pytest.mark.parametrize("mode", ["L", "P"])
def test_g97_values_are_read_as_stored_whatever_their_colours(tmp_path: Path, mode: str) -> None:
    values, found = read_labels(write_mask(tmp_path / "a.png", VALUES, mode))
    np.testing.assert_array_equal(values, VALUES)
    assert (found, values.dtype) == (mode, np.uint8)


def test_g97_two_level_masks_are_0_and_1(tmp_path: Path) -> None:
    PIL.Image.fromarray(VALUES % 2 == 1).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png")[0], VALUES % 2)


def test_g97_grey_stored_as_rgb_is_grey(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.stack([VALUES] * 3, axis=-1).astype(np.uint8)).save(tmp_path / "a.png")
    values, mode = read_labels(tmp_path / "a.png")
    np.testing.assert_array_equal(values, VALUES)
    assert mode == "L"


@pytest.mark.parametrize(
    "image",
    [
        PIL.Image.new("RGB", (4, 3), (128, 0, 0)),  # coloured: which colour is which class?
        PIL.Image.new("RGBA", (4, 3)),
        PIL.Image.new("I;16", (4, 3)),
    ],
    ids=lambda image: image.mode,
)
def test_g97_masks_of_other_modes_are_refused(tmp_path: Path, image: PIL.Image.Image) -> None:
    image.save(tmp_path / "a.png")
    with pytest.raises(DatasetError, match=f"a.png is a mask of mode {image.mode}"):
        read_labels(tmp_path / "a.png")


def test_a_mask_that_is_half_a_download_is_named(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (90, 90)))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DatasetError, match=r"a\.png cannot be read as a mask"):
        read_labels(path)


PAGE = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 3\n%%EndComments\n" + bytes(40)
HUGE = b"P5 20000 20000 255\n" + bytes(40)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (PAGE, "is not an image"),  # Pillow would hand it to Ghostscript
        (HUGE, "20000 x 20000 px"),  # Pillow would raise an error of its own
        (b"P5 10000 10000 255\n" + bytes(40), "cut short"),  # Pillow would warn on stderr
        (b"", "is empty"),
    ],
)
def test_h109_h110_masks_pass_the_gate_of_photographs(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"a\.png cannot be read as a mask: .*{told}"):
        read_labels(path)


def test_g94_a_missing_file_is_told(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.png", VALUES)
    reasons = [
        Sample("", *files, lambda: None).missing for files in ((path, path), (path, tmp_path / "b"), (tmp_path, path))
    ]
    assert reasons == [None, "missing_mask", "missing_image"]
