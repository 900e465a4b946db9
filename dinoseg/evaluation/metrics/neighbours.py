"""Weighted k nearest neighbours (Wu et al. 2018, as DINO evaluates: Caron et al. 2021, section 4.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TEMPERATURE = 0.07
CHUNK = 1024
"""Queries at once: their similarities to the whole database are held."""


def fitting(k: int, labels: Tensor) -> int:
    """``k``, or fewer: as many as the rarest class of ``labels`` ``(m,)`` has pictures.

    Beyond that a picture of it is outvoted by what is left of the other classes, however near its own are.
    """
    counts = labels.bincount()
    return min(k, int(counts[counts > 0].min()))


def knn_votes(
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    classes: int,
    *,
    k: int,
    temperature: float = TEMPERATURE,
    leave_one_out: bool = False,
) -> Tensor:
    """Votes of the ``k`` most similar training vectors, ``(n, classes)``: each votes exp(cosine / T) for its class.

    ``train`` ``(m, d)`` with ``labels`` ``(m,)`` in 0..classes - 1, ``test`` ``(n, d)``; any lengths, normalised here.
    ``k`` beyond ``m`` takes all. With ``leave_one_out`` the two are the same pictures and none votes for itself. Votes
    are divided by the largest that is possible for the picture, which changes no order; 0 is no vote at all.
    """
    train, test = F.normalize(train, dim=1), F.normalize(test, dim=1)
    k = min(k, len(train) - leave_one_out)
    votes = []
    for first in range(0, len(test), CHUNK):
        similar = test[first : first + CHUNK] @ train.T  # (b, m)
        if leave_one_out:
            rows = torch.arange(len(similar), device=similar.device)
            similar[rows, first + rows] = -torch.inf
        nearest, index = similar.topk(k, dim=1)  # (b, k), falling
        weights = ((nearest - nearest[:, :1]) / temperature).exp()
        votes.append(weights.new_zeros(len(similar), classes).scatter_add_(1, labels[index], weights))
    return torch.cat(votes) if votes else test.new_zeros(0, classes)


def true_ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """How many classes stand before the true one, ``(n,)``: 0 is top-1.

    Equal scores stand in the order of the classes. A class without any vote is never found: its rank is the number of
    classes, so that top-5 does not depend on how a sort orders zeros.
    """
    own = scores.gather(1, labels[:, None])  # (n, 1)
    before = torch.arange(scores.shape[1], device=scores.device) < labels[:, None]  # (n, classes)
    ranks = ((scores > own) | ((scores == own) & before)).sum(dim=1)
    return torch.where(own[:, 0] > 0, ranks, scores.shape[1])
