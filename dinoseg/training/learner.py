"""What a run needs of whatever learns: DINO (``recipe``) or distillation (``distil``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from dinoseg.backbone.base import Backbone
from dinoseg.training.schedules import Settings


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The photographs of one step; of several processes, each has its share of them."""

    pixels: Tensor
    """Of the share: uint8 ``(b, 3, H, W)`` on the device, each photograph in the top left corner."""
    sizes: Tensor
    """``(B, 2)`` on the CPU: how large each of all of them is."""
    indices: Tensor
    """``(B,)`` on the CPU: which of the run's photographs they are."""
    epoch: int
    share: slice
    """Which of the ``B`` are this process's."""


class Measures:
    """What a step showed. Whoever reads it waits for the step, not for what came later."""

    def __init__(self, names: Sequence[str], shown: Tensor) -> None:
        """``(n,)`` on the device, each under its name; one is "loss"."""
        self.names = names
        self.shown = shown.to("cpu", non_blocking=shown.is_cuda)
        self.ready = torch.cuda.Event() if shown.is_cuda else None
        if self.ready:
            self.ready.record(torch.cuda.current_stream(shown.device))  # the current device may be another one

    @cached_property
    def values(self) -> dict[str, float]:
        """The loss and everything else worth a curve, by name."""
        if self.ready:
            self.ready.synchronize()
        return dict(zip(self.names, self.shown.tolist(), strict=True))

    @property
    def loss(self) -> float:
        """The loss of the step."""
        return self.values["loss"]


class Learner(Protocol):
    """What learns, step by step: networks, optimiser, and what a checkpoint holds of them."""

    def prepare(self, batch: Batch, generator: torch.Generator) -> tuple[Any, ...]:
        """What ``step`` learns from; what is random in it comes from the generator alone."""

    def step(self, settings: Settings, *prepared: Any) -> Measures:
        """One step of the optimiser."""

    @property
    def model(self) -> Backbone:
        """The network that the run is for."""

    def state(self) -> dict[str, Any]:
        """All of it, as tensors, numbers and words."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state`` gave."""
