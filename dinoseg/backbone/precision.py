"""What the program around dinoseg has set for PyTorch does not reach its networks, and a fork does not stop them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

if hasattr(os, "register_at_fork"):  # not on Windows
    # PyTorch's threads are not there in a forked process, which would wait for them for ever: it computes in its own.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))

P = ParamSpec("P")
R = TypeVar("R")


class DefaultDtype:
    """float32 as PyTorch's default for as long as somebody holds it: the default is one for all threads."""

    def __init__(self) -> None:
        self.lock, self.holders, self.before = threading.Lock(), 0, torch.float32

    def __enter__(self) -> None:
        with self.lock:
            if not self.holders:
                self.before = torch.get_default_dtype()
                torch.set_default_dtype(torch.float32)
            self.holders += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.holders -= 1
            if not self.holders:
                torch.set_default_dtype(self.before)


FLOAT32 = DefaultDtype()


@contextmanager
def own_precision() -> Iterator[None]:
    """A block in float32, on the CPU unless a device is named, without autocast, in which gradients are possible.

    Inside of ``torch.autocast``, with another default dtype or device, methods would raise, or give other masks without
    a word, and a network that is built then would stay so for who comes later.
    """
    with ExitStack() as stack:
        stack.enter_context(FLOAT32)
        stack.enter_context(torch.inference_mode(False))  # what is made inside of it can never learn
        stack.enter_context(torch.enable_grad())
        if torch.empty(0).device.type != "cpu":  # torch.get_default_device did not see torch.device(...) until later
            stack.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


def inference(function: Callable[P, R]) -> Callable[P, R]:
    """``torch.inference_mode`` in ``own_precision``, for a function that is no generator."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with own_precision(), torch.inference_mode():
            return function(*args, **kwargs)

    return call
