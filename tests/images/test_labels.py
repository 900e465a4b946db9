"""Masks are read as stored."""

from __future__ import annotations

from pathlib import Path

import cv2
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
    found = read_labels(write_mask(tmp_path / "a.png", VALUES, mode))
    np.testing.assert_array_equal(found.values, VALUES)
    assert (found.mode, found.values.dtype) == (mode, np.uint8)


def test_g97_two_level_masks_are_0_and_1(tmp_path: Path) -> None:
    PIL.Image.fromarray(VALUES % 2 == 1).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png").values, VALUES % 2)


def test_g97_grey_stored_as_rgb_is_grey(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.stack([VALUES] * 3, axis=-1).astype(np.uint8)).save(tmp_path / "a.png")
    found = read_labels(tmp_path / "a.png")
    np.testing.assert_array_equal(found.values, VALUES)
    assert found.mode == "L"


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


def disk(height: int = 90, width: int = 120) -> NDArray[np.bool_]:
    y, x = np.mgrid[:height, :width]
    return (y - 40) ** 2 + (x - 50) ** 2 < 25**2


def blurred(mask: NDArray[np.bool_], white: int, sigma: float) -> NDArray[np.uint8]:
    return np.rint(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma) * white).astype(np.uint8)


@pytest.mark.parametrize("sigma", [1, 3, 8])
@pytest.mark.parametrize("white", [100, 200, 254, 255])
def test_a_soft_mask_is_one_object(tmp_path: Path, white: int, sigma: float) -> None:
    path = write_mask(tmp_path / "a.png", blurred(disk(), white, sigma))
    found = object_numbers(path)
    assert np.unique(found).tolist() == [0, 1]
    assert (found != disk()).mean() < 0.02  # half of a blurred disk is a little less
    with pytest.raises(MaskError, match=r"a\.png holds no numbers: it is a soft mask"):
        read_labels(path).numbers()


@pytest.mark.parametrize(("white", "quality"), [(254, 75), (200, 30), (7, 75), (255, 90)])
def test_a_jpeg_holds_no_numbers(tmp_path: Path, white: int, quality: int) -> None:
    PIL.Image.fromarray((disk() * white).astype(np.uint8)).save(tmp_path / "a.jpg", quality=quality)
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")  # whatever its name is
    found = object_numbers(tmp_path / "a.png")
    assert (found != disk()).mean() < 0.01
    with pytest.raises(MaskError, match=r"a\.png holds no numbers: it is saved with loss"):
        read_labels(tmp_path / "a.png").numbers()


def test_a_tiff_of_jpegs_holds_none_either(tmp_path: Path) -> None:
    PIL.Image.fromarray((disk() * 200).astype(np.uint8)).save(tmp_path / "a.tif", compression="jpeg")
    assert read_labels(tmp_path / "a.tif").lossy
    PIL.Image.fromarray((disk() * 200).astype(np.uint8)).save(tmp_path / "b.tif", compression="tiff_lzw")
    assert not read_labels(tmp_path / "b.tif").lossy


def test_what_was_jpeg_once_is_one_object_as_a_png(tmp_path: Path) -> None:
    PIL.Image.fromarray((disk() * 254).astype(np.uint8)).save(tmp_path / "a.jpg")
    PIL.Image.open(tmp_path / "a.jpg").save(tmp_path / "a.png")
    found = object_numbers(tmp_path / "a.png")
    assert np.unique(found).tolist() == [0, 1]
    assert (found != disk()).mean() < 0.01


@pytest.mark.parametrize("mode", ["L", "P"])
@pytest.mark.parametrize("step", [1, 4])
def test_many_objects_are_many(tmp_path: Path, mode: str, step: int) -> None:
    cells = np.zeros((90, 120), np.uint8)
    for index in range(60):  # cells of 7 x 7 px, as a microscope shows them
        y, x = divmod(index, 12)
        cells[12 * y + 3 : 12 * y + 10, 10 * x + 2 : 10 * x + 9] = step * index + 1
    np.testing.assert_array_equal(object_numbers(write_mask(tmp_path / "a.png", cells, mode)), cells)


def test_a_few_tiny_objects_are_objects(tmp_path: Path) -> None:
    balls = np.zeros((90, 120), np.uint8)
    balls[10:40, 10:40], balls[50:52, 50:52], balls[60:80, 60:80] = 1, 2, 3
    np.testing.assert_array_equal(object_numbers(write_mask(tmp_path / "a.png", balls)), balls)


def test_a_soft_mask_with_a_palette_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="soft mask"):
        object_numbers(write_mask(tmp_path / "a.png", blurred(disk(), 200, 2), "P"))
