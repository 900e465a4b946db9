"""Whether memory ran out: only CUDA has an error of its own for that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch

from dinoseg.errors import OutOfMemory

TOLD = ("can't allocate memory", "out of memory")
"""How the allocators of the CPU and of MPS say it, in a plain ``RuntimeError``."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of numpy, OpenCV or PyTorch, on any device, means that something did not fit into memory."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    if isinstance(error, cv2.error):  # its ``code`` is that of the last error of any thread
        return "Insufficient memory" in str(error)
    return isinstance(error, RuntimeError) and any(told in str(error) for told in TOLD)


@contextmanager
def within_memory(told: str) -> Iterator[None]:
    """What does not fit into memory in this block becomes an ``OutOfMemory`` that says ``told``."""
    try:
        yield
    except (MemoryError, RuntimeError, cv2.error) as error:
        if not out_of_memory(error):
            raise
        raise OutOfMemory(told) from error
