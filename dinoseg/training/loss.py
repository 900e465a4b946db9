"""The loss of DINO: cross-entropy between what teacher and student see in different views of one photograph."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STUDENT_TEMP = 0.1
CENTRE_MOMENTUM = 0.9


@torch.no_grad()
def answer_entropy(student: Tensor) -> Tensor:
    """Mean entropy of the student's answers ``(V, B, K)``, in nats."""
    log_answer = (student.detach() / STUDENT_TEMP).log_softmax(-1)
    return -(log_answer.exp() * log_answer).sum(-1).mean()


@torch.no_grad()
def spread(features: Tensor) -> Tensor:
    """How far features ``(n, d)`` lie apart: 0 where all are the same, 1 for random directions (Chen and He 2021)."""
    directions = F.normalize(features.float(), dim=-1)
    return (1 - directions.mean(0).square().sum()).clamp_min(0).sqrt()


class DINOLoss(nn.Module):
    """Caron et al. 2021, eq. 3 and 4, with the centre of the teacher's outputs as its state."""

    centre: Tensor

    def __init__(self, prototypes: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(prototypes))

    def forward(self, student: Tensor, teacher: Tensor, teacher_temp: float) -> tuple[Tensor, Tensor]:
        """Loss, and entropy of the teacher's answers (mean, in nats).

        ``student`` is ``(V, B, K)`` for all views, ``teacher`` ``(2, B, K)`` for the first two of them. The mean goes
        over the batch and over all pairs of different views. The cross-entropy is written as
        logsumexp(s) - <p_t, s>, so that no second ``(V, B, K)`` array is made.
        """
        logits = student / STUDENT_TEMP
        target, entropy = self.target(teacher, teacher_temp)
        pairs = logits.logsumexp(-1) - torch.einsum("tbk,vbk->tvb", target, logits)  # (2, V, B)
        different = 1 - torch.eye(*pairs.shape[:2], device=pairs.device)  # (2, V); a mask would make a GPU wait
        return (pairs.mean(-1) * different).sum() / different.sum(), entropy

    @torch.no_grad()
    def target(self, teacher: Tensor, teacher_temp: float) -> tuple[Tensor, Tensor]:
        """Centred and sharpened answers ``(2, B, K)``, each a distribution, and their mean entropy."""
        logits = (teacher - self.centre) / teacher_temp
        log_answer = logits.log_softmax(-1)
        answer = log_answer.exp()
        return answer, -(answer * log_answer).sum(-1).mean()

    @torch.no_grad()
    def update_centre(self, teacher: Tensor) -> None:
        """Move the centre towards the mean of the teacher's outputs ``(2, B, K)``."""
        self.centre.lerp_(teacher.mean((0, 1)), 1 - CENTRE_MOMENTUM)
