"""One step of DINO. Who reads ``DINO.step`` knows the method."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dinoseg.backbone.base import Backbone
from dinoseg.learning.average import update_average
from dinoseg.options import TrainOptions
from dinoseg.training.learner import Batch, Measures
from dinoseg.training.loss import DINOLoss, answer_entropy, spread
from dinoseg.training.network import Network, drop_paths, new_network
from dinoseg.training.optim import cancel_last_layer, clip_each, parameter_groups, set_rates
from dinoseg.training.schedules import Settings
from dinoseg.training.start import layer_rates
from dinoseg.training.team import Team, gathering
from dinoseg.training.views import draw_views, multi_crop

MEASURES = ("loss", "teacher_entropy", "student_entropy", "spread", "kl")
"""Nats, but for the spread. Teacher's entropy: 0 (each answer is one prototype) .. ln K (all prototypes alike). Spread
of the teacher's features (``loss.spread``): 0 (the same for every photograph) .. 1. KL: divergence of the student's
answers from the teacher's, what can be learned."""


class DINO:
    """Everything that training changes: student, teacher, centre, optimiser and the scaler of mixed precision."""

    def __init__(self, options: TrainOptions, device: torch.device, team: Team | None = None) -> None:
        self.options, self.device, self.team = options, device, team or Team()
        self.student = new_network(options).to(device)
        self.teacher: Network = copy.deepcopy(self.student).requires_grad_(False)
        drop_paths(self.student.backbone, options.drop_path)
        self.gathered = self.team.parallel(self.student, device)
        self.loss = DINOLoss(options.prototypes).to(device)
        rates = layer_rates(options.layer_decay, self.model.spec.depth)
        self.optimiser = torch.optim.AdamW(parameter_groups(self.student, rates), fused=device.type == "cuda")
        self.half = half_precision(device) if options.amp == "auto" else None
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.half is torch.float16)

    def prepare(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Global and local crops of this process's share of a batch, normalised."""
        drawn = draw_views(batch.sizes, self.options, generator)
        own = drawn[0].of(batch.share, len(batch.sizes)), drawn[1].of(batch.share, len(batch.sizes))
        large, small = multi_crop(batch.pixels, own, self.options)
        return self.model.normalise(large), self.model.normalise(small)

    def step(self, settings: Settings, global_crops: Tensor, local_crops: Tensor) -> Measures:
        """One step on normalised crops ``(2, B, 3, g, g)`` and ``(L, B, 3, l, l)``, L may be 0.

        The order counts: the loss takes the old centre, gradients are clipped before the last layer's are dropped,
        and the teacher follows last.
        """
        set_rates(self.optimiser, settings)
        parts = [crops.chunk(self.options.accumulate, dim=1) for crops in (global_crops, local_crops)]
        learned = [
            self.learn(large, small, settings.teacher_temp, last=index == self.options.accumulate)
            for index, (large, small) in enumerate(zip(*parts, strict=True), 1)
        ]
        means, shown = map(torch.stack, zip(*learned, strict=True))  # (parts, 1, K), (parts, 5)
        self.loss.update_centre(self.team.mean(means))
        self.scaler.unscale_(self.optimiser)
        clip_each(self.student.parameters(), self.options.clip)
        if settings.frozen:
            cancel_last_layer(self.student.head)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad()
        update_average(self.teacher.parameters(), self.student.parameters(), settings.momentum)
        return Measures(MEASURES, self.team.mean(shown.mean(0)))

    def learn(
        self, global_crops: Tensor, local_crops: Tensor, teacher_temp: float, *, last: bool
    ) -> tuple[Tensor, Tensor]:
        """Add the gradients of one part of a step, gathered with the ``last`` one.

        Returns the mean of the teacher's outputs ``(1, K)`` and ``MEASURES``, ``(5,)``.
        """
        views = (global_crops, local_crops) if len(local_crops) else (global_crops,)
        with gathering(self.gathered, now=last):
            with torch.autocast(self.device.type, self.half, enabled=self.half is not None):
                with torch.no_grad():
                    features = self.teacher.features(global_crops)  # (2 * B, d)
                    seen = self.teacher.head(features).unflatten(0, (2, -1))  # (2, B, K)
                answers = self.gathered(*views)  # (2 + L, B, K)
            loss, entropy = self.loss(answers, seen, teacher_temp)
            self.scaler.scale(loss / self.options.accumulate).backward()
        loss = loss.detach()
        shown = torch.stack([loss, entropy, answer_entropy(answers[:2]), spread(features), loss - entropy])
        return seen.flatten(0, 1).mean(0, keepdim=True), shown

    def state(self) -> dict[str, Any]:
        """All of it, as tensors, numbers and words."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state`` gave."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])

    @property
    def model(self) -> Backbone:
        """The teacher's backbone, which is what a run is for."""
        return self.teacher.backbone

    @property
    def parts(self) -> dict[str, Any]:
        """What has a state, by its name in the checkpoint."""
        return {
            "student": self.student,
            "teacher": self.teacher,
            "loss": self.loss,
            "optimiser": self.optimiser,
            "scaler": self.scaler,
        }


def half_precision(device: torch.device) -> torch.dtype | None:
    """bfloat16 where a GPU has it (no scaling, no overflow), else float16 as published; none on other devices."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
