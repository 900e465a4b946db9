"""What a healing student's last CLS attention learns from its teacher: the attention itself, or the object in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from dinoseg.backbone.features import Features
from dinoseg.learning.distance import ATTENTION, attention_divergence
from dinoseg.methods.attention_cut import AttentionCut
from dinoseg.methods.grid import border_of
from dinoseg.methods.likeness import object_maps

Aim: TypeAlias = Callable[[Features, Features], Tensor]
"""A loss, a scalar, of a student's attention by what the teacher saw in the same crops."""
OBJECT = 0.5
"""Weight of the attention in the loss where there is an object to look at."""
SMALLEST, LARGEST, CONTACT = 0.02, 0.75, 0.6
"""Share of a crop that its object covers, and of the border at most; what is beyond is no object."""
FLOOR = 0.03
"""Share of an object's map that stays outside of it."""
BINS = 128


def as_the_teacher(student: Features, teacher: Features) -> Tensor:
    """Look where the teacher looks."""
    assert student.attention is not None
    assert teacher.attention is not None
    return ATTENTION * attention_divergence(student.attention, teacher.attention).mean()


def at_the_object(student: Features, teacher: Features) -> Tensor:
    """Look at what ``attention-cut`` makes of the teacher's attention, head by head; as the teacher at the rest."""
    assert student.attention is not None
    assert teacher.attention is not None
    wanted, trusted = attended_objects(teacher)
    there = OBJECT * attention_divergence(student.attention, wanted)  # (B,)
    elsewhere = ATTENTION * attention_divergence(student.attention, teacher.attention)
    return torch.where(trusted, there, elsewhere).mean()


AIMS: dict[str, Aim] = {"teacher": as_the_teacher, "object": at_the_object}
"""One student is healed by each, and their weights are averaged."""


@torch.no_grad()
def attended_objects(teacher: Features) -> tuple[Tensor, Tensor]:
    """Attention that is spread evenly over the object that it is at.

    Each head's map of ``attention-cut`` on final tokens, whatever the family, and the mask that they make together,
    multiplied: ``(B, heads, gh, gw)`` up to a factor, and whether that mask looks like an object, ``(B,)``.
    """
    assert teacher.attention is not None
    method = AttentionCut()
    border = torch.from_numpy(border_of(teacher.grid).ravel()).to(teacher.attention.device)
    looked = teacher.attention.flatten(2).sqrt()  # (B, heads, N), as in fuse_heads
    looked = looked / looked.mean(dim=-1, keepdim=True)
    clear = (1 - looked[..., border].mean(dim=-1)).clamp_min(1e-6)  # (B, heads)
    maps, degenerate = object_maps(
        teacher.facets["token"].flatten(1, 2), looked, teacher.grid, power=method.power, reach=method.reach
    )
    mask = soft_masks((maps * clear[..., None]).sum(dim=1) / clear.sum(dim=1, keepdim=True))  # (B, N)
    inside = (mask > 0.5).float()
    area, contact = inside.mean(dim=-1), inside[:, border].mean(dim=-1)
    trusted = (area > SMALLEST) & (area < LARGEST) & (contact < CONTACT) & ~torch.from_numpy(degenerate).to(area.device)
    wanted = (maps * (FLOOR + (1 - FLOOR) * mask)[:, None]) ** 2
    return wanted.unflatten(-1, teacher.grid), trusted


def soft_masks(maps: Tensor) -> Tensor:
    """Each map ``(B, N)`` stretched to 0..1 and shifted so that Otsu's threshold (1979) lies at 0.5."""
    low, high = maps.amin(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)
    stretched = (maps - low) / (high - low).clamp_min(1e-9)
    return (stretched + 0.5 - otsu(stretched)).clamp(0, 1)


def otsu(values: Tensor) -> Tensor:
    """Otsu's threshold of each row of ``(B, N)`` in 0..1, ``(B, 1)``, to one part in ``BINS``."""
    centres = (torch.arange(BINS, device=values.device) + 0.5) / BINS
    counts = F.one_hot((values * BINS).long().clamp(0, BINS - 1), BINS).sum(dim=1).float()  # (B, BINS)
    below, mass = counts.cumsum(dim=1), (counts * centres).cumsum(dim=1)
    above = below[:, -1:] - below
    means = mass / below.clamp_min(1), (mass[:, -1:] - mass) / above.clamp_min(1)
    between = below * above * (means[0] - means[1]) ** 2  # variance between the classes, up to a factor
    return centres[between[:, :-1].argmax(dim=1)][:, None]
