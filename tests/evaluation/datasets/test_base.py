"""Splits go by position, videos by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinoseg.evaluation.datasets.base import Dataset, Sample, Truth
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


def test_g94_a_missing_file_is_told(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.png", VALUES)
    reasons = [
        Sample("", *files, lambda: None).missing for files in ((path, path), (path, tmp_path / "b"), (tmp_path, path))
    ]
    assert reasons == [None, "missing_mask", "missing_image"]
