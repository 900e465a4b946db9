"""Distortions leave a picture that can be read, and not the same one."""

from __future__ import annotations

import numpy as np
import pytest

from dinoseg.evaluation.features.distortions import DISTORTIONS, distorted
from tests.helpers import disk_photo


@pytest.mark.parametrize("name", DISTORTIONS)
def test_each_changes_the_picture_and_repeats(name: str) -> None:
    pixels = disk_photo(60, 80)[0]
    found = distorted(pixels, name)
    assert found.shape[2] == 3
    np.testing.assert_array_equal(found, distorted(pixels, name))
    assert found.shape != pixels.shape or (found != pixels).any()


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_picture_of_a_few_pixels_is_still_one(name: str) -> None:
    assert distorted(disk_photo(3, 2)[0], name).size


def test_half_of_the_area_is_the_middle() -> None:
    pixels = disk_photo(100, 200)[0]
    np.testing.assert_array_equal(distorted(pixels, "half of the area"), pixels[14:85, 29:170])
