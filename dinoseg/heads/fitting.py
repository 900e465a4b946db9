"""How a head learns: each photograph counts once, those with a given mask more."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dinoseg.backbone.export import all_finite
from dinoseg.errors import NonFiniteLoss
from dinoseg.heads.examples import CELLS, Example
from dinoseg.methods.head_network import HeadNetwork
from dinoseg.runs.progress import progress_bar

HIDDEN = 32
"""Neurons beside the linear layer."""
BATCH = 16
"""Photographs per step."""
LR, DECAY = 3e-3, 1e-2
"""Of AdamW: peak of one cycle, and weight decay."""
EPOCHS = 5
"""Passes over the photographs: after more, the head copies single masks with their mistakes ..."""
STEPS = 80
"""... but no fewer steps than this."""
MEASURED = 256
"""Photographs from which mean and deviation of the features are taken."""
MOST = 20.0
"""Pseudo-masks that a mask which was given counts as, at most."""
FLAT = 1e-6
"""Deviation below which an input says nothing."""


def fit_head(examples: Sequence[Example], epochs: int, seed: int, device: torch.device) -> tuple[HeadNetwork, float]:
    """A head trained on ``examples``, on ``device``, and its mean loss (nats per cell) over the last epoch.

    The same seed gives the same head on a CPU. Raises ``NonFiniteLoss``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = HeadNetwork(examples[0].features.shape[1], HIDDEN, CELLS)
    standardise(network, examples[:: -(-len(examples) // MEASURED)])
    network.to(device)
    weights = weights_of(examples)
    batches = list(drawn(len(examples), epochs, seed))
    optimiser = torch.optim.AdamW(network.parameters(), LR, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LR, total_steps=len(batches))
    losses = []
    with progress_bar("head", unit="step", total=len(batches)) as bar:
        for batch in batches:
            loss: Any = sum(weights[i] * loss_of(network, examples[i], device) for i in batch) / len(batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
            bar.update()
    mean = float(np.mean(losses[-(len(batches) // epochs) :]))
    if not (math.isfinite(mean) and all_finite(network.parameters())):
        raise NonFiniteLoss("The loss of the head is no number: the features of the network are too large or NaN.")
    return network.eval().requires_grad_(False), mean


def passes(count: int) -> int:
    """Epochs over so many photographs where the options do not say."""
    return max(EPOCHS, -(-STEPS // -(-count // BATCH)))


def drawn(count: int, epochs: int, seed: int) -> Iterator[list[int]]:
    """Indices of the photographs of every step: each photograph once an epoch, in an order of its own."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        yield from (part.tolist() for part in torch.randperm(count, generator=generator).split(BATCH))


def loss_of(network: HeadNetwork, example: Example, device: torch.device) -> Tensor:
    """Cross-entropy of one photograph, mean over its cells."""
    logits = network(example.features.to(device).float())  # (N, cells * cells)
    return F.binary_cross_entropy_with_logits(logits, example.target.to(device).float())


def standardise(network: HeadNetwork, examples: Sequence[Example]) -> None:
    """Give the network mean and deviation of its features; one that is always the same stays as it is."""
    features = torch.cat([example.features for example in examples]).double()  # (tokens, d)
    network.mean.copy_(features.mean(dim=0))
    deviation = features.std(dim=0, correction=0)
    network.deviation.copy_(torch.where(deviation > FLAT, deviation, 1))


def weights_of(examples: Sequence[Example]) -> list[float]:
    """How much each example counts, 1 in the mean: those with given masks together as much as all others, within
    bounds."""
    labelled = sum(example.weight for example in examples if example.labelled)
    others = sum(example.weight for example in examples if not example.labelled)
    more = min(max(others / labelled, 1.0), MOST) if labelled else 1.0
    weights = [example.weight * (more if example.labelled else 1.0) for example in examples]
    mean = sum(weights) / len(weights)
    return [weight / mean for weight in weights]
