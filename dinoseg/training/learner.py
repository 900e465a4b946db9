"""What a run needs of whatever learns: DINO (``recipe``) or distillation (``distil``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from dinoseg.backbone.vit import Backbone
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


class Shown(Protocol):
    """What a step showed."""

    @property
    def loss(self) -> float:
        """What was minimised."""

    def values(self) -> dict[str, float]:
        """The loss and everything else worth a curve, by name."""


class Learner(Protocol):
    """Everything that training changes."""

    def prepare(self, batch: Batch, generator: torch.Generator) -> tuple[Any, ...]:
        """What ``step`` learns from; what is random in it comes from the generator alone."""

    def step(self, settings: Settings, *prepared: Any) -> Shown:
        """One step of the optimiser."""

    @property
    def model(self) -> Backbone:
        """The network that the run is for."""

    def state(self) -> dict[str, Any]:
        """All of it, as tensors, numbers and words."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state`` gave."""
