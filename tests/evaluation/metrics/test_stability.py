"""How steady masks are."""

from __future__ import annotations

import numpy as np
import pytest

from dinoseg.evaluation.metrics.stability import stability

SQUARE = np.zeros((40, 60), bool)
SQUARE[10:30, 20:40] = True


def shift(pixels: int) -> np.ndarray:
    """The flow from a frame to the one before, in which everything was ``pixels`` px further left."""
    flow = np.zeros((40, 60, 2), np.float32)
    flow[..., 0] = -pixels
    return flow


@pytest.mark.parametrize("pixels", [0, 3, -5])
def test_a_mask_that_goes_with_the_picture_is_steady(pixels: int) -> None:
    assert stability(SQUARE, np.roll(SQUARE, pixels, 1), shift(pixels)) == 1


def test_one_that_does_not_is_not() -> None:
    assert stability(SQUARE, SQUARE, shift(10)) == pytest.approx(10 / 30)
    assert stability(SQUARE, np.zeros_like(SQUARE), shift(0)) == 0
    assert stability(np.zeros_like(SQUARE), np.zeros_like(SQUARE), shift(0)) == 1
