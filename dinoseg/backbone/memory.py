"""What a device lacks: memory, for which only CUDA has an error of its own, or an operator."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

from dinoseg.errors import DeviceError, OutOfMemory, first_line

TOLD = ("can't allocate memory", "out of memory", "bad_alloc", "bad allocation")
"""How the allocators of PyTorch on any device and of OpenVINO say it, in a ``RuntimeError``."""

DEVICES = re.compile(r"CUDA|cuDNN|cuBLAS|CUBLAS|HIP|MPS|XPU|not (currently )?(implemented|supported)")
"""Words of errors that are a device's own and no defect of ours."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of numpy, OpenCV, OpenVINO or PyTorch means that something did not fit into memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # PyTorch's
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


@contextmanager
def on_device(device: Any, told: str) -> Iterator[None]:
    """``within_memory``, and an operator that the device lacks, or its failure, becomes a ``DeviceError``.

    ``device``: a ``torch.device``, or the name of one.
    """
    try:
        with within_memory(told):
            yield
    except (NotImplementedError, RuntimeError, TypeError) as error:
        if str(device).startswith("cpu") or not (isinstance(error, NotImplementedError) or DEVICES.search(str(error))):
            raise
        raise DeviceError(f"--device {device} cannot do this ({first_line(error)}): use --device cpu.") from error


def release() -> None:
    """Give back what PyTorch keeps of a GPU's memory for later, where it is in use."""
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()
