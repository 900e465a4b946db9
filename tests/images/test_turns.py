"""Turns by EXIF, against Pillow's."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from dinoseg.evaluation.metrics.boxes import mask_box
from dinoseg.images.turns import TURNS
from tests.helpers import encode, exif_of, gradient


@pytest.mark.parametrize("orientation", range(2, 9))
def test_pixels_turn_as_pillow_turns_them(orientation: int) -> None:
    pixels, turn = gradient(48, 64), TURNS[orientation]
    stored = PIL.Image.open(io.BytesIO(encode(pixels, exif=exif_of(orientation))))
    upright = np.asarray(PIL.ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(turn.array(pixels), upright)
    assert turn.size((48, 64)) == upright.shape[:2]


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_box_turns_as_its_pixels_do(orientation: int) -> None:
    mask, turn = np.zeros((48, 64), bool), TURNS[orientation]
    mask[5:20, 30:61] = True
    assert turn.boxes(np.array([mask_box(mask)]), mask.shape).tolist() == [[*mask_box(turn.array(mask))]]
    assert turn.boxes(np.zeros((0, 4)), mask.shape).shape == (0, 4)
