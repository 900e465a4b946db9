"""The processes that train one network together (``torchrun``); one process alone is a team of one.

Only the first of them touches the output folder and prints. Each has its own share of every step's photographs, and
what is gathered is as if one process had seen all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dinoseg.backbone.zoo import choose_device
from dinoseg.errors import DeviceError

T = TypeVar("T")
TORCHRUN = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1"))
"""What it tells each process, and what holds where it did not start it."""
PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others before it gives up."""


@dataclass(frozen=True, slots=True)
class Team:
    """One process's place in it."""

    rank: int = 0
    size: int = 1
    neighbours: int = 1
    """Processes on this machine."""

    @property
    def first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """Mean over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values.div_(self.size))
        return values

    def any(self, flag: bool) -> bool:
        """Whether it is so for one of them."""
        return any(self.gather(flag))

    def gather(self, value: T) -> list[T]:
        """The value of each, by rank."""
        values = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    def from_first(self, work: Callable[[], T]) -> T:
        """What ``work`` gives the first process, for all; the others do not do it."""
        values = [work() if self.first else None]
        if self.size > 1:
            dist.broadcast_object_list(values, src=0)
        return values[0]  # type: ignore[return-value]  # the first one's is there

    def parallel(self, module: nn.Module, device: torch.device) -> nn.Module:
        """A module whose gradients are means over all processes; its parameters become those of the first."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, [device] if device.type == "cuda" else None, broadcast_buffers=False)


def gathering(module: nn.Module, *, now: bool) -> AbstractContextManager[None]:
    """Around a pass through a module of ``Team.parallel``: whether its gradients are gathered now, or later."""
    if isinstance(module, DistributedDataParallel) and not now:
        return module.no_sync()
    return nullcontext()


@contextmanager
def assembled(device: str, environment: Mapping[str, str] = os.environ) -> Iterator[tuple[Team, torch.device]]:
    """Join the processes that ``torchrun`` started, each with a device of its own; alone where it did not.

    Raises ``DeviceError`` for a device that a team cannot share.
    """
    rank, size, place, neighbours = (int(environment.get(name, default)) for name, default in TORCHRUN)
    if size == 1:
        yield Team(), choose_device(device)
        return
    own = own_device(device, place)
    dist.init_process_group("cpu:gloo,cuda:nccl" if own.type == "cuda" else "gloo", timeout=PATIENCE)
    yield Team(rank, size, neighbours), own
    dist.destroy_process_group()  # not after an error: it would wait for the others, whom torchrun is about to end


def own_device(name: str, place: int) -> torch.device:
    """The device of the process with that place on its machine."""
    device = choose_device(name)
    if device.type == "cuda" and ":" not in name:
        device = choose_device(f"cuda:{place}")
        torch.cuda.set_device(device)
    elif device.type != "cpu":
        raise DeviceError(f"--device {name} is one device for several processes: use auto, cuda or cpu with torchrun.")
    return device
