"""What a device lacks: memory, for which only CUDA has an error of its own, or an operator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch

from dinoseg.errors import DeviceError, OutOfMemory, first_line

TOLD = ("can't allocate memory", "out of memory")
"""How the allocators of the CPU and of MPS say it, in a plain ``RuntimeError``."""

DEVICES = re.compile(r"CUDA|cuDNN|cuBLAS|CUBLAS|HIP|MPS|XPU|not (currently )?(implemented|supported)")
"""Words of errors that are a device's own and no defect of ours."""


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


@contextmanager
def on_device(device: torch.device, told: str) -> Iterator[None]:
    """``within_memory``, and an operator that the device lacks, or its failure, becomes a ``DeviceError``."""
    try:
        with within_memory(told):
            yield
    except (NotImplementedError, RuntimeError, TypeError) as error:
        if device.type == "cpu" or not (isinstance(error, NotImplementedError) or DEVICES.search(str(error))):
            raise
        raise DeviceError(f"--device {device} cannot do this ({first_line(error)}): use --device cpu.") from error
