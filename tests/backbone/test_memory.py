"""Memory that ran out, on any device."""

import numpy as np
import pytest
import torch

from dinoseg.backbone.memory import out_of_memory


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.empty(10**15),  # a plain RuntimeError
        lambda: np.empty(10**15),
    ],
)
def test_e75_what_no_machine_has(allocate):
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        allocate()
    assert out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("too much"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18.00 GB)"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors(error, expected):
    assert out_of_memory(error) is expected
