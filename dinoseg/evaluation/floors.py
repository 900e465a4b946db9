"""What a score must beat: masks drawn without looking at the picture, and a network that was never trained."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from dinoseg.backbone.export import save_backbone
from dinoseg.backbone.vit import Backbone
from dinoseg.backbone.weights import build
from dinoseg.backbone.zoo import load
from dinoseg.evaluation.metrics import SEED, Mask
from dinoseg.options import ModelOptions


@lru_cache(maxsize=8)
def centred_ellipse(size: tuple[int, int]) -> Mask:
    """The ellipse with half-axes of 0.4 of each side, ``(H, W)``."""
    y, x = ((np.arange(side) + 0.5) / side - 0.5 for side in size)
    return (y[:, None] / 0.4) ** 2 + (x / 0.4) ** 2 <= 1


@lru_cache(maxsize=8)
def whole_image(size: tuple[int, int]) -> Mask:
    """Every pixel, ``(H, W)``."""
    return np.ones(size, bool)


FLOORS = {"centred ellipse": centred_ellipse, "whole image": whole_image}
"""Name -> mask of a size; both are scored beside every method."""


def untrained(options: ModelOptions, *, seed: int = SEED) -> Backbone:
    """A network with the shape of the model that ``options`` name and timm's initial weights, on the CPU.

    Raises ``WeightsError`` when that model cannot be loaded.
    """
    with torch.random.fork_rng(devices=[]):
        shape = load(options.model, heads=options.heads, positions=options.positions, offline=options.offline)
        torch.manual_seed(seed)
        return Backbone(build(shape.spec, shape.vit.state_dict()), shape.spec)


def write_random_weights(options: ModelOptions, path: Path, *, seed: int = SEED) -> None:
    """A weight file of an ``untrained`` network."""
    save_backbone(untrained(options, seed=seed), path, store="float32")
