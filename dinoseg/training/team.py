"""The processes that train one network together (``torchrun``); one process alone is a team of one.

Only the first of them touches the output folder and prints. Each has its own share of every step's photographs, and
what is gathered is as if one process had seen all of them.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from dinoseg.backbone.zoo import choose_device
from dinoseg.errors import DeviceError, OtherProcessEnded, TrainingError, UsageError

T = TypeVar("T")
TORCHRUN = {"WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
"""What holds where a launcher does not say."""
MEETING = timedelta(minutes=2)
"""How long a process waits for the others to begin ..."""
PATIENCE = timedelta(minutes=10)
"""... and in the course of a run, before it gives up."""
ASKED = "not as torchrun does it: start with torchrun, or unset WORLD_SIZE to train in one process."
VANISHED = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "NCCL", "Timed out", "timed out")
"""What the libraries say of a process that does not answer."""


@dataclass(frozen=True, slots=True)
class Team:
    """One process's place in it."""

    rank: int = 0
    size: int = 1
    neighbours: int = 1
    """Processes on this machine ..."""
    local_rank: int = 0
    """... and this one's place among them."""

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
        devices = [device] if device.type == "cuda" else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # newer versions have another word for broadcast_buffers
            return DistributedDataParallel(module, devices, broadcast_buffers=False)


def gathering(module: nn.Module, *, now: bool) -> AbstractContextManager[None]:
    """Around a pass through a module of ``Team.parallel``: whether its gradients are gathered now, or later."""
    if isinstance(module, DistributedDataParallel) and not now:
        return module.no_sync()
    return nullcontext()


@contextmanager
def assembled(device: str, environment: Mapping[str, str] = os.environ) -> Iterator[tuple[Team, torch.device]]:
    """Join the processes that ``torchrun`` started, each with a device of its own; alone where it did not.

    Raises ``UsageError`` for an environment that is not torchrun's, or where the others do not come, and
    ``DeviceError`` for a device that a team cannot share. Of several that end with an error, the first raises it and
    the others ``OtherProcessEnded``; one that only saw another vanish raises ``TrainingError``.
    """
    team = place(environment)
    if team.size == 1:
        yield team, choose_device(device)
        return
    store = meet(team)
    try:
        own = own_device(device, team.local_rank)
        backend = "cpu:gloo,cuda:nccl" if own.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=team.rank, world_size=team.size, timeout=PATIENCE)
        yield team, own
    except BaseException as error:
        if not speaks(store):
            raise OtherProcessEnded("Another process of this training ended first, and says why.") from error
        if isinstance(error, RuntimeError) and any(word in str(error) for word in VANISHED):
            raise TrainingError(
                "Another process of this training ended without a word: was it killed? --resume goes on from the last "
                "checkpoint."
            ) from error
        raise
    dist.destroy_process_group()  # not after an error: it would wait for the others, whom torchrun is about to end


def place(environment: Mapping[str, str]) -> Team:
    """This process's place as ``torchrun`` tells it; alone where nothing tells of others. Raises ``UsageError``."""

    def number(name: str, low: int, high: float) -> int:
        value = environment.get(name, TORCHRUN.get(name))
        if value is None or not value.strip().isdecimal() or not low <= int(value) <= high:
            raise UsageError(f"{name} is {'not set' if value is None else repr(value)} in the environment, {ASKED}")
        return int(value)

    size = number("WORLD_SIZE", 1, math.inf)
    if size == 1:
        return Team()
    number("MASTER_PORT", 1, 65535)
    if not environment.get("MASTER_ADDR"):
        raise UsageError(f"MASTER_ADDR is not set in the environment, {ASKED}")
    rank, local = number("RANK", 0, size - 1), number("LOCAL_RANK", 0, size - 1)
    return Team(rank, size, number("LOCAL_WORLD_SIZE", 1, size), local)


def meet(team: Team) -> Store:
    """What all processes write to and read from, when all are there. Raises ``UsageError`` where they do not come."""
    try:
        store, *_ = next(iter(rendezvous("env://", team.rank, team.size, timeout=MEETING)))
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"{team.size} is WORLD_SIZE in the environment, but so many processes did not meet within "
            f"{MEETING.seconds} s, {ASKED}"
        ) from error
    return store


def speaks(store: Store) -> bool:
    """Whether this process is the first that ends with an error."""
    try:
        return store.add("dinoseg ended", 1) == 1
    except RuntimeError:  # nobody is left to ask
        return True


def own_device(name: str, place: int) -> torch.device:
    """The device of the process with that place on its machine."""
    device = choose_device(name)
    if device.type == "cuda" and ":" not in name:
        device = choose_device(f"cuda:{place}")
        torch.cuda.set_device(device)
    elif device.type != "cpu":
        raise DeviceError(f"--device {name} is one device for several processes: use auto, cuda or cpu with torchrun.")
    return device
