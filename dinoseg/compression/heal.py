"""Healing by distillation: the pruned network learns its teacher's tokens and attention back, without labels.

Minitron (2024) and DistilBERT (2019) distil after pruning; what is matched is told in ``backbone.distance``.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dinoseg.atomic import atomic_write
from dinoseg.backbone.distance import TokenStatistics, distance, look
from dinoseg.backbone.vit import Backbone
from dinoseg.compression.crops import CropFeed

WARMUP_CROPS = 600
SAVE_EVERY = 20  # steps


@dataclass(frozen=True, slots=True)
class HealOptions:
    """How long and how fast."""

    crops: int
    batch: int
    lr: float


def learning_rate(seen: int, options: HealOptions) -> float:
    """Linear warm-up over the first crops, then a cosine to zero."""
    warmup = min(WARMUP_CROPS, options.crops // 4)
    if seen < warmup:
        return options.lr * (seen + options.batch) / (warmup + options.batch)
    return options.lr * 0.5 * (1 + math.cos(math.pi * (seen - warmup) / max(1, options.crops - warmup)))


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
        options: HealOptions,
        folder: Path,
        *,
        amp: bool,
    ) -> None:
        self.teacher, self.student, self.feed, self.known = teacher, student, feed, known
        self.options, self.amp = options, amp
        self.checkpoint, self.log = folder / "heal.pt", folder / "heal.jsonl"
        self.parameters = {name: p.requires_grad_(True) for name, p in student.vit.named_parameters()}
        matrices = [p for p in self.parameters.values() if p.ndim in (2, 4)]
        others = [p for p in self.parameters.values() if p.ndim not in (2, 4)]  # norms, biases, tokens, positions
        self.optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}],
            lr=options.lr,
            betas=(0.9, 0.98),
        )
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.step = 0

    def run(self, stream: int, measure: Callable[[], float], progress: Callable[[int, float], None]) -> None:
        """Heal to the end and leave the averaged weights in the student. ``measure`` gives the held-out cosine."""
        options = self.options
        done = self.step * options.batch
        loss, started = None, time.perf_counter()
        for large, small in self.feed.batches(stream, done, options.crops - done, options.batch):
            loss = self.one_step(large, small)
            progress(len(large), loss)
            if self.step % SAVE_EVERY == 0:
                self.save()
                self.note(loss, measure, time.perf_counter() - started)
        if loss is not None:  # else all was done before
            self.save()
            self.note(loss, measure, time.perf_counter() - started)
        self.swap_average()

    def one_step(self, large: Tensor, small: Tensor) -> float:
        """One batch: the teacher looks at ``(b, 3, S, S)``, the student at the same crops ``(b, 3, s, s)``."""
        with torch.no_grad():
            target = look(self.teacher, large, amp=self.amp)
        loss = distance(look(self.student, small, amp=self.amp), target, self.known)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step * self.options.batch, self.options)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), 3.0)
        self.optimiser.step()
        self.step += 1
        keep = min(0.999, 1 - 1 / (1 + self.step / 10))
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                self.average[name].lerp_(parameter, 1 - keep)
        return loss.item()

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
        line = {"step": self.step, "crops": min(self.step * self.options.batch, self.options.crops)}
        line |= {"loss": round(loss, 5), "cosine": round(cosine, 5), "seconds": round(seconds, 1)}  # type: ignore[dict-item]
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def save(self) -> None:
        """Checkpoint, whole or not at all."""
        state = {
            "step": self.step,
            "weights": {name: p.detach() for name, p in self.parameters.items()},
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }
        with atomic_write(self.checkpoint) as file:
            torch.save(state, file)

    def load(self) -> None:
        """Go on from the checkpoint if there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location=self.student.device, weights_only=True)
        self.step, self.average = state["step"], state["average"]
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state["weights"][name])
        self.optimiser.load_state_dict(state["optimiser"])
