"""Whether memory ran out: only CUDA has an error of its own for that."""

from __future__ import annotations

import torch

TOLD = ("can't allocate memory", "out of memory")
"""How the allocators of the CPU and of MPS say it, in a plain ``RuntimeError``."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of numpy or PyTorch, on any device, means that something did not fit into memory."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(told in str(error) for told in TOLD)
