"""Distillation: a student of any shape learns the tokens and the attention of a frozen teacher, without labels.

Both see the same crop on the same grid, each at its own patch size. What is matched is told in ``backbone.distance``.
A linear map stands between them where their widths differ (Romero et al. 2015, FitNets); what is kept is the average
of the student's weights (Oquab et al. 2023, section 5).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.features import Features
from dinoseg.learning.average import update_average, warmed_momentum
from dinoseg.learning.distance import TokenStatistics, distance, look, mean_cosine, statistics
from dinoseg.options import TrainOptions
from dinoseg.training import operations
from dinoseg.training.learner import Batch, Measures
from dinoseg.training.network import drop_paths
from dinoseg.training.optim import clip_each, parameter_groups, set_rates
from dinoseg.training.recipe import half_precision
from dinoseg.training.schedules import Settings
from dinoseg.training.seeds import FIXED_CROPS, seed_of
from dinoseg.training.start import layer_rates, starting_backbone
from dinoseg.training.teacher_cache import TeacherCache
from dinoseg.training.views import FLIP, draw_boxes

AREA = (0.35, 1.0)
"""Share of the photograph that a crop takes."""


MEASURES = ("loss", "cosine")
"""What is minimised, 0 at the teacher; cosine of patch tokens less the teacher's mean, -1..1: 1 at the teacher."""


class Student(nn.Module):
    """A backbone, and linear maps to the teacher's width where that is another."""

    def __init__(self, backbone: Backbone, width: int) -> None:
        super().__init__()
        self.backbone = backbone
        own = backbone.spec.width
        self.head = nn.ModuleDict(
            {name: nn.Identity() if own == width else nn.Linear(own, width) for name in ("patches", "cls")}
        )

    def look(self, crops: Tensor, *, amp: bool) -> Features:
        """Crops ``(B, 3, s, s)`` -> features as wide as the teacher's."""
        seen = look(self.backbone, crops, amp=amp)
        return replace(
            seen, facets={"token": self.head["patches"](seen.facets["token"])}, cls=self.head["cls"](seen.cls)
        )


class Distillation:
    """A ``Learner``: the student, the average of its weights, the optimiser, and what is known of the teacher."""

    def __init__(
        self, options: TrainOptions, teacher: Backbone, device: torch.device, cache: TeacherCache | None = None
    ) -> None:
        self.options, self.cache = options, cache
        self.teacher = teacher.to(device)
        self.student = Student(starting_backbone(options), teacher.spec.width).to(device)
        self.average = copy.deepcopy(self.student).requires_grad_(False).eval()
        spec = self.model.spec
        drop_paths(self.student.backbone, options.drop_path)
        self.teacher_size = options.global_size // spec.patch * teacher.spec.patch
        groups = parameter_groups(self.student, layer_rates(options.layer_decay, spec.depth))
        self.optimiser = torch.optim.AdamW(groups, fused=device.type == "cuda")
        self.amp = options.amp == "auto" and half_precision(device) is torch.bfloat16
        self.known: TokenStatistics | None = None
        self.steps = 0

    def prepare(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Features]:
        """Crops ``(B, 3, s, s)``, 0..1, and what the teacher sees in them."""
        slots = self.cache.slots(batch.indices, batch.epoch) if self.cache else []
        boxes, flip = self.draw_fixed(batch.sizes, slots) if slots else draw(batch.sizes, generator)

        def crops(size: int) -> Tensor:
            return operations.crop_resize(batch.pixels, boxes[None], size, flip[None])[0]  # (B, 3, size, size)

        return crops(self.options.global_size), self.target(slots, lambda: crops(self.teacher_size))

    def draw_fixed(self, sizes: Tensor, slots: list[int]) -> tuple[Tensor, Tensor]:
        """Boxes ``(B, 4)`` and flips ``(B,)`` that are functions of the crops' numbers."""
        generators = [torch.Generator().manual_seed(seed_of(self.options.seed, FIXED_CROPS, slot)) for slot in slots]
        drawn = [draw(size[None], generator) for size, generator in zip(sizes, generators, strict=True)]
        boxes, flips = zip(*drawn, strict=True)
        return torch.cat(boxes), torch.cat(flips)

    @torch.no_grad()
    def target(self, slots: list[int], crops: Callable[[], Tensor]) -> Features:
        """What the teacher sees in the crops; read from the cache if all of them are there, else added to it."""
        if self.cache is None:
            return look(self.teacher, crops(), amp=self.amp)
        kept = {row: record for row, record in enumerate(self.cache.read(slots)) if record is not None}
        if len(kept) == len(slots):
            return self.cache.shape.unpack(np.stack(list(kept.values())), self.teacher.device)
        rows = self.cache.shape.pack(look(self.teacher, crops(), amp=self.amp))
        absent = [row for row in range(len(slots)) if row not in kept]
        self.cache.write([slots[row] for row in absent], rows[absent])
        for row, record in kept.items():
            rows[row] = record
        return self.cache.shape.unpack(rows, self.teacher.device)

    def step(self, settings: Settings, crops: Tensor, target: Features) -> Measures:
        """One step towards the teacher; its mean and deviation are those of the first batch."""
        set_rates(self.optimiser, settings)
        self.known = self.known or statistics(target)
        seen = self.student.look(crops, amp=self.amp)
        loss = distance(seen, target, self.known)
        self.optimiser.zero_grad()
        loss.backward()
        clip_each(self.student.parameters(), self.options.clip)
        self.optimiser.step()
        self.steps += 1
        update_average(self.average.parameters(), self.student.parameters(), warmed_momentum(self.steps))
        with torch.no_grad():
            return Measures(MEASURES, torch.stack([loss, mean_cosine(seen, target, self.known)]))

    @property
    def model(self) -> Backbone:
        """The student with its averaged weights."""
        return self.average.backbone

    def state(self) -> dict[str, Any]:
        """All of it, as tensors and numbers. ``model`` is where a checkpoint is looked into for weights."""
        return {
            "model": self.average.state_dict(),
            "learning": self.student.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "known": self.known and asdict(self.known),
            "steps": self.steps,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state`` gave."""
        self.average.load_state_dict(state["model"])
        self.student.load_state_dict(state["learning"])
        self.optimiser.load_state_dict(state["optimiser"])
        known = state["known"]  # a checkpoint comes on the CPU
        self.known = known and TokenStatistics(**{name: value.to(self.teacher.device) for name, value in known.items()})
        self.steps = state["steps"]


def draw(sizes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Boxes ``(B, 4)`` and flips ``(B,)`` for photographs of ``sizes`` ``(B, 2)``."""
    boxes = draw_boxes(sizes, torch.tensor(AREA).expand(len(sizes), 2), generator)
    return boxes, torch.rand(len(sizes), generator=generator) < FLIP
