"""How far one network's view of a picture is from another's: the loss of every distillation, without labels.

What is matched is what segmentation reads: patch tokens, CLS token and the CLS attention of the last layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.features import Features

TINY = 1e-6
ATTENTION = 0.1
"""Of its divergence, in the loss."""


@dataclass(frozen=True, slots=True)
class TokenStatistics:
    """The teacher's mean and deviation per channel: of patch tokens ``(d,)`` and of the CLS token ``(d,)``."""

    patch_mean: Tensor
    patch_std: Tensor
    cls_mean: Tensor
    cls_std: Tensor


def look(backbone: Backbone, images: Tensor, *, amp: bool = False) -> Features:
    """Tokens, CLS and attention that a ViT gives for a uint8 batch; in bfloat16 where ``amp``, float32 in the end."""
    device = backbone.device.type
    with torch.autocast(device, torch.bfloat16, enabled=amp):
        seen = backbone(backbone.normalise(images.to(backbone.device)), facets=("token",), cls=True)
    assert seen.attention is not None
    assert seen.cls is not None
    return Features(
        seen.attention.float(), seen.family, seen.patch, {"token": seen.facets["token"].float()}, seen.cls.float()
    )


def statistics(seen: Features) -> TokenStatistics:
    """Mean and deviation of the teacher's tokens over one set of crops."""
    assert seen.cls is not None
    patch = seen.facets["token"].flatten(0, 2)  # (B * N, d)
    return TokenStatistics(patch.mean(0), patch.std(0) + TINY, seen.cls.mean(0), seen.cls.std(0) + TINY)


def distance(student: Features, teacher: Features, known: TokenStatistics) -> Tensor:
    """The loss, a scalar: tokens, and CLS attention."""
    assert student.attention is not None
    assert teacher.attention is not None
    divergence = attention_divergence(student.attention, teacher.attention)
    return token_distance(student, teacher, known) + ATTENTION * divergence.mean()


def token_distance(student: Features, teacher: Features, known: TokenStatistics) -> Tensor:
    """A scalar: standardised patch tokens, their direction, CLS token."""
    assert student.cls is not None
    assert teacher.cls is not None
    ours, theirs = student.facets["token"] - known.patch_mean, teacher.facets["token"] - known.patch_mean
    patch = F.smooth_l1_loss(ours / known.patch_std, theirs / known.patch_std)
    direction = 1 - F.cosine_similarity(ours, theirs, dim=-1).mean()
    cls = F.smooth_l1_loss(
        (student.cls - known.cls_mean) / known.cls_std, (teacher.cls - known.cls_mean) / known.cls_std
    )
    return patch + direction + 0.3 * cls


def attention_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) of attention ``(B, heads, gh, gw)`` over the patches only, mean over heads, ``(B,)``.

    Where the numbers of heads differ, the means of the heads are compared.
    """
    if student.shape[1] != teacher.shape[1]:
        student, teacher = student.mean(1, keepdim=True), teacher.mean(1, keepdim=True)
    ours, theirs = (
        F.normalize(attention.flatten(2).clamp_min(1e-12), p=1, dim=-1).log() for attention in (student, teacher)
    )  # each (B, heads, N)
    return F.kl_div(ours, theirs, reduction="none", log_target=True).sum(dim=-1).mean(dim=1)


def mean_cosine(student: Features, teacher: Features, known: TokenStatistics) -> Tensor:
    """Cosine of patch tokens less the teacher's mean token, averaged over all patches."""
    ours, theirs = student.facets["token"] - known.patch_mean, teacher.facets["token"] - known.patch_mean
    return F.cosine_similarity(ours, theirs, dim=-1).mean()
