"""MLP neurons thrown away in closed form: choose by what the loss rises, refit the rest, block by block.

Saliency after Optimal Brain Surgeon (Hassibi and Stork 1993), layer-wise refit after ThiNet (Luo et al. 2017).
Two streams see the same crops: the teacher's own, and the student's, in which earlier blocks are pruned already.
The student's block is fitted to what its stream lacks, so that later blocks mend the errors of earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.families import family_of
from dinoseg.backbone.vit import VisionTransformer, gamma_of
from dinoseg.errors import CompressionError

RIDGE = 1e-4
DROP = 12  # a twelfth of what is left goes at a time
LEAST = 16
GAMMA_FLOOR = 1e-3


@dataclass(slots=True)
class Moments:
    """Second moments of hidden rows with a bias column, and with what is missing, per token."""

    gram: Tensor
    """``(K + 1, K + 1)`` float64."""
    cross: Tensor
    """``(K + 1, d)`` float64."""


@torch.no_grad()
def prune(
    teacher: VisionTransformer,
    student: VisionTransformer,
    crops: Sequence[tuple[Tensor, Tensor]],
    neurons: int,
    progress: Callable[[], object],
) -> None:
    """Leave ``neurons`` in every MLP of ``student``, in place.

    ``crops`` are pairs of uint8 batches ``(b, 3, s, s)``, teacher's and student's size, on the same patch grid.
    """
    teacher_stream = [teacher.embed(teacher.normalise(large))[0] for large, _ in crops]  # each (b, T, d)
    embedded = [student.embed(student.normalise(small)) for _, small in crops]
    student_stream, rope = [x for x, _ in embedded], embedded[0][1]  # one grid, so one rotary table for both
    for index, block in enumerate(student.vit.blocks):
        for i, x in enumerate(teacher_stream):
            teacher_stream[i] = teacher.block(index, x, rope)
        for i, x in enumerate(student_stream):
            student_stream[i] = student.attention_branch(index, x, rope)
        moments = collect(block, zip(student_stream, teacher_stream, strict=True))
        kept, refitted = select(moments, folded_output(block), neurons)
        replace_mlp(block, kept, refitted)
        for i, x in enumerate(student_stream):
            student_stream[i] = student.mlp_branch(index, x)
        progress()


def prunable(student: Backbone, neurons: int) -> VisionTransformer:
    """The same network, which can be pruned to ``neurons``.

    Raises ``CompressionError`` for a family that is not, a gated MLP or a number of neurons that is not smaller.
    """
    if not family_of(student.spec.family).prunable:
        raise CompressionError(
            f"{student.spec.name} is a network of the family {student.spec.family}, whose networks are not compressed."
        )
    assert isinstance(student, VisionTransformer)
    mlp = student.vit.blocks[0].mlp
    if not hasattr(mlp, "fc1") or hasattr(mlp, "fc1_g") or isinstance(getattr(mlp, "norm", None), nn.LayerNorm):
        raise CompressionError(
            f"{student.spec.name} has a gated MLP ({type(mlp).__name__}): only plain ones are pruned."
        )
    if not 1 <= neurons <= student.spec.hidden:
        raise CompressionError(f"--neurons {neurons} is out of range: {student.spec.name} has {student.spec.hidden}.")
    return student


def collect(block: Any, streams: Iterator[tuple[Tensor, Tensor]]) -> Moments:
    """Moments of ``H = GELU(fc1(norm2(x)))`` with ``Y = teacher - x`` over all tokens alike."""
    gram = cross = None
    rows = 0
    for x, target in streams:
        hidden = block.mlp.act(block.mlp.fc1(block.norm2(x))).flatten(0, 1)  # (b * T, K)
        hidden = F.pad(hidden, (0, 1), value=1.0)
        missing = (target - x).flatten(0, 1)  # (b * T, d)
        gram_part, cross_part = (hidden.T @ hidden).double(), (hidden.T @ missing).double()
        gram = gram_part if gram is None else gram + gram_part
        cross = cross_part if cross is None else cross + cross_part
        rows += len(hidden)
    assert gram is not None
    assert cross is not None
    return Moments(gram / rows, cross / rows)


def folded_output(block: Any) -> Tensor:
    """Output weights of the MLP with its bias as last row and LayerScale folded in, ``(K + 1, d)`` float64."""
    fc2 = block.mlp.fc2
    weight = torch.cat([fc2.weight.T, fc2.bias[None]]).double()
    gamma = gamma_of(block, 2)
    return weight if gamma is None else weight * gamma.double()


def select(moments: Moments, original: Tensor, neurons: int) -> tuple[Tensor, Tensor]:
    """Indices of the neurons that stay, ``(neurons,)``, and their refitted output weights, ``(neurons + 1, d)``.

    W = (G_SS + l I)^-1 (C_S + l W0_S), l a ten-thousandth of the mean of G's diagonal; the saliency of neuron j is
    |W_j|^2 / [(G_SS + l I)^-1]_jj, what the ridge objective rises by when j goes and the rest is refitted.
    """
    bias = len(original) - 1
    ridge = RIDGE * moments.gram.diagonal()[:-1].mean()
    kept = torch.arange(bias, device=original.device)
    while True:
        rows = torch.cat([kept, kept.new_tensor([bias])])
        system = moments.gram[rows][:, rows] + ridge * torch.eye(len(rows), dtype=torch.float64, device=rows.device)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(system))
        weight = inverse @ (moments.cross[rows] + ridge * original[rows])
        surplus = len(kept) - neurons
        if surplus <= 0:
            return kept, weight
        saliency = (weight.square().sum(dim=1) / inverse.diagonal())[:-1]
        drop = min(surplus, max(LEAST, len(kept) // DROP))
        kept = kept[saliency.argsort(stable=True)[drop:].sort().values]


def replace_mlp(block: Any, kept: Tensor, weight: Tensor) -> None:
    """Put the pruned and refitted MLP into the block; LayerScale gets its factor back.

    Channels whose gamma is below a floor keep the folded form with gamma 1: dividing by it would blow them up.
    """
    fc1, fc2 = block.mlp.fc1, block.mlp.fc2
    gamma = gamma_of(block, 2)
    if gamma is not None:
        small = gamma.abs() < GAMMA_FLOOR
        gamma[small] = 1.0
        weight = weight / gamma.double()
    smaller = nn.Linear(fc1.in_features, len(kept)), nn.Linear(len(kept), fc2.out_features)
    for layer, new_weight, new_bias in (
        (smaller[0], fc1.weight[kept], fc1.bias[kept]),
        (smaller[1], weight[:-1].T, weight[-1]),
    ):
        layer.weight = nn.Parameter(new_weight.float().contiguous().clone(), requires_grad=False)
        layer.bias = nn.Parameter(new_bias.float().clone(), requires_grad=False)
    block.mlp.fc1, block.mlp.fc2 = smaller
