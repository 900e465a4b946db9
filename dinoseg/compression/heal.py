"""Healing by distillation: the pruned network learns its teacher's tokens and attention back, without labels.

Minitron (2024) and DistilBERT (2019) distil after pruning; what is matched is told in ``learning.distance`` and
``aims``. Crops come in several shapes and sizes: a network that saw one grid alone is at a loss on larger ones.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dinoseg.atomic import atomic_write
from dinoseg.backbone.base import Backbone
from dinoseg.backbone.states import load_state, save_state
from dinoseg.compression.aims import Aim
from dinoseg.compression.crops import CropFeed, Request
from dinoseg.errors import CorruptWeights, NonFiniteLoss
from dinoseg.learning.average import update_average, warmed_momentum
from dinoseg.learning.curves import cosine
from dinoseg.learning.distance import TokenStatistics, look, token_distance

log = logging.getLogger(__name__)
WARMUP = 1 / 8
"""Share of the steps."""
SAVE_EVERY = 20  # steps
SHAPES = ((1.0, 1.0), (1.0, 1.25), (1.25, 1.0), (1.375, 1.375), (1.5, 2.0), (2.0, 1.5), (2.0, 2.0))
"""Height and width of crops, in ``HealOptions.grid``; 2 is what segmentation looks at."""
SHARES = (0.25, 0.1, 0.1, 0.15, 0.15, 0.15, 0.1)
"""Of the steps."""


@dataclass(frozen=True, slots=True)
class HealOptions:
    """How long and how fast."""

    crops: int
    """Of the smallest shape; of a larger one fewer make a step, so that all steps have as many patches."""
    batch: int
    lr: float
    grid: int
    """Patches per side of the smallest shape."""
    seed: int

    @property
    def steps(self) -> int:
        """Optimiser steps of one healing."""
        return -(-self.crops // self.batch)


def learning_rate(step: int, options: HealOptions) -> float:
    """Linear warm-up over the first steps, then a cosine to zero."""
    warmup = WARMUP * options.steps
    if step < warmup:
        return options.lr * (step + 1) / (warmup + 1)
    return cosine(options.lr, 0.0, step - warmup, options.steps - warmup)


def request(step: int, options: HealOptions, patches: tuple[int, int]) -> Request:
    """The crops of a step, for ``patches`` of so many px in teacher and student; a function of the step alone."""
    shape = SHAPES[np.random.default_rng([options.seed, step]).choice(len(SHAPES), p=SHARES)]
    rows, columns = (round(side * options.grid) for side in shape)
    crops = max(1, options.batch * options.grid**2 // (rows * columns))
    first = step * options.batch
    return Request(range(first, first + crops), tuple((rows * patch, columns * patch) for patch in patches))


class Healing:
    """Distillation that can be stopped after any step and goes on from its last checkpoint.

    The crops are a function of their index, so that a resumed run sees what an undisturbed one would.
    """

    def __init__(
        self,
        teacher: Backbone,
        student: Backbone,
        feed: CropFeed,
        known: TokenStatistics,
        aim: Aim,
        options: HealOptions,
        checkpoint: Path,
        *,
        amp: bool,
    ) -> None:
        self.teacher, self.student, self.feed, self.known = teacher, student, feed, known
        self.aim, self.options, self.amp = aim, options, amp
        self.checkpoint, self.log = checkpoint, checkpoint.with_suffix(".jsonl")
        self.parameters = {name: p.requires_grad_(True) for name, p in student.network.named_parameters()}
        matrices = [p for p in self.parameters.values() if p.ndim in (2, 4)]
        others = [p for p in self.parameters.values() if p.ndim not in (2, 4)]  # norms, biases, tokens, positions
        self.optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}],
            lr=options.lr,
            betas=(0.9, 0.98),
        )
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.curve: list[dict[str, float]] = []
        """Lines of the log."""
        self.step = 0

    def run(self, stream: int, measure: Callable[[], float], progress: Callable[[int, float], None]) -> None:
        """Heal to the end and leave the averaged weights in the student. ``measure`` gives the held-out cosine."""
        patches = self.teacher.spec.patch, self.student.spec.patch
        left = (request(step, self.options, patches) for step in range(self.step, self.options.steps))
        started = time.perf_counter()
        for large, small in self.feed.batches(stream, left):
            loss = self.one_step(large, small)
            progress(self.options.batch, loss)
            if self.step % SAVE_EVERY == 0 or self.step == self.options.steps:
                self.note(loss, measure, time.perf_counter() - started)
                self.save()
        self.swap_average()

    def one_step(self, large: Tensor, small: Tensor) -> float:
        """One batch: the teacher looks at ``(b, 3, H, W)``, the student at the same crops ``(b, 3, h, w)``.

        Raises ``NonFiniteLoss``.
        """
        with torch.no_grad():
            target = look(self.teacher, large, amp=self.amp)
        seen = look(self.student, small, amp=self.amp)
        loss = token_distance(seen, target, self.known) + self.aim(seen, target)
        if not math.isfinite(shown := loss.item()):
            raise NonFiniteLoss(
                f"The loss of healing became {shown} at step {self.step}: start again with --overwrite and a smaller "
                f"--lr than {self.options.lr:g}."
            )
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.options)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), 3.0)
        self.optimiser.step()
        self.step += 1
        averages = [self.average[name] for name in self.parameters]
        update_average(averages, self.parameters.values(), warmed_momentum(self.step))
        return shown

    def swap_average(self) -> None:
        """Exchange the weights at hand with their running average."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                self.average[name], parameter.data = parameter.data, self.average[name]

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The student with its averaged weights, inside the block."""
        self.swap_average()
        try:
            yield
        finally:
            self.swap_average()

    def note(self, loss: float, measure: Callable[[], float], seconds: float) -> None:
        """One line of the curve: steps, crops, loss of this batch, held-out cosine of the averaged weights."""
        with self.averaged():
            cosine = measure()
        crops = min(self.step * self.options.batch, self.options.crops)
        values = {"loss": round(loss, 5), "cosine": round(cosine, 5), "seconds": round(seconds, 1)}
        self.curve.append({"step": self.step, "crops": crops, **values})
        with atomic_write(self.log) as file:
            file.write("".join(json.dumps(line) + "\n" for line in self.curve).encode())

    def save(self) -> None:
        """Checkpoint, with the curve up to it."""
        state = {
            "step": self.step,
            "weights": {name: p.detach() for name, p in self.parameters.items()},
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "curve": self.curve,
        }
        save_state(self.checkpoint, state)

    def load(self) -> None:
        """Go on from the checkpoint if there is one that is whole."""
        if not self.checkpoint.exists():
            return
        try:
            state = load_state(self.checkpoint, self.student.device)
        except CorruptWeights as error:
            log.warning("%s: this part of the healing starts at its beginning.", error)
            return
        self.curve = state["curve"]
        self.step, self.average = state["step"], state["average"]
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state["weights"][name])
        self.optimiser.load_state_dict(state["optimiser"])
