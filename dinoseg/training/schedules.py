"""What changes from step to step, as functions of the step number alone: a resumed run needs no history."""

from __future__ import annotations

from dataclasses import dataclass

from dinoseg.learning.curves import cosine, ramp
from dinoseg.options import TrainOptions

LAST_LR = 1e-6
LR_BATCH = 256
"""Batch at which ``TrainOptions.lr`` holds as it is."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for one step."""

    lr: float
    weight_decay: float
    """Of the group that is decayed."""
    momentum: float
    """How much of the teacher stays."""
    teacher_temp: float
    frozen: bool
    """Whether the head's last layer stays as it is."""


@dataclass(frozen=True, slots=True)
class Schedules:
    """The published schedules (Caron et al. 2021, implementation details); epochs and steps count from 0."""

    options: TrainOptions
    steps_per_epoch: int
    batch: int
    """Photographs per step, in all processes together."""

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.options.epochs * self.steps_per_epoch

    def at(self, step: int) -> Settings:
        """Settings of one step; the temperature and the frozen layer go by epoch, the rest by step."""
        options, epoch = self.options, step // self.steps_per_epoch
        warming = epoch < options.teacher_temp_epochs
        return Settings(
            lr=self.lr(step),
            weight_decay=cosine(*options.weight_decay, step, self.steps),
            momentum=cosine(options.momentum, 1.0, step, self.steps),
            teacher_temp=ramp(*options.teacher_temp, epoch, options.teacher_temp_epochs)
            if warming
            else options.teacher_temp[1],
            frozen=epoch < options.freeze_last_layer,
        )

    def lr(self, step: int) -> float:
        """Linear warm-up from 0 that includes its peak, then a cosine that starts at the same peak."""
        peak = self.options.lr * self.batch / LR_BATCH
        warm = self.options.warmup * self.steps_per_epoch
        return ramp(0.0, peak, step, warm) if step < warm else cosine(peak, LAST_LR, step - warm, self.steps - warm)
