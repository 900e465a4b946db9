"""Memory that ran out, on any device."""

import cv2
import numpy as np
import pytest
import torch

from dinoseg.backbone.memory import out_of_memory, within_memory
from dinoseg.errors import OutOfMemory
from tests.helpers import exhaust_opencv


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.empty(10**15),  # a plain RuntimeError
        lambda: np.empty(10**15),
        exhaust_opencv,  # an error of its own
    ],
)
def test_e75_what_no_machine_has(allocate):
    with pytest.raises((RuntimeError, MemoryError, cv2.error)) as caught:
        allocate()
    assert out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("too much"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18.00 GB)"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
        (cv2.error("something else"), False),  # whatever OpenCV said last
    ],
)
def test_errors(error, expected):
    assert out_of_memory(error) is expected


def test_a_block_says_what_did_not_fit_and_lets_other_errors_through():
    with pytest.raises(OutOfMemory, match=r"^a\.jpg: too large$"), within_memory("a.jpg: too large"):
        exhaust_opencv()
    with pytest.raises(cv2.error), within_memory("a.jpg: too large"):
        cv2.resize(np.zeros((2, 2), np.uint8), (0, 0))
