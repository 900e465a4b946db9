"""Masks are read as stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from dinoseg.errors import MaskError
from dinoseg.images.labels import object_numbers, read_labels
from tests.evaluation.sets import write_mask

VALUES = np.arange(12).reshape(3, 4)


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
    with pytest.raises(MaskError, match=f"a.png is a mask of mode {image.mode}"):
        read_labels(tmp_path / "a.png")


def test_a_mask_that_is_half_a_download_is_named(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (90, 90)))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(MaskError, match=r"a\.png cannot be read as a mask"):
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
    with pytest.raises(MaskError, match=rf"a\.png cannot be read as a mask: .*{told}"):
        read_labels(path)


@pytest.mark.parametrize(
    ("values", "mode", "numbers"),
    [
        ([[0, 255, 128, 127]], "L", [[0, 1, 1, 0]]),  # one object with soft edges
        ([[0, 1, 9, 254]], "L", [[0, 1, 9, 254]]),  # numbers in grey
        ([[0, 2, 1, 255]], "P", [[0, 2, 1, 0]]),  # numbers and void
        ([[0, 0, 0, 0]], "L", [[0, 0, 0, 0]]),  # nothing; who needs an object says so
    ],
)
def test_kinds_of_masks(tmp_path: Path, values: list[list[int]], mode: str, numbers: list[list[int]]) -> None:
    path = write_mask(tmp_path / "a.png", np.array(values), mode)
    np.testing.assert_array_equal(object_numbers(path), numbers)


def test_two_level_masks_have_one_object(tmp_path: Path) -> None:
    mask: NDArray[np.bool_] = VALUES > 5
    PIL.Image.fromarray(mask).save(tmp_path / "a.png")
    np.testing.assert_array_equal(object_numbers(tmp_path / "a.png"), mask)
