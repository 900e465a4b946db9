"""What a network's score must beat: one of its shape that was never trained."""

from __future__ import annotations

from pathlib import Path

import torch

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.export import save_backbone
from dinoseg.backbone.families import family_of
from dinoseg.backbone.zoo import load
from dinoseg.evaluation.metrics.resampling import SEED
from dinoseg.options import ModelOptions


def untrained(options: ModelOptions, *, seed: int = SEED) -> Backbone:
    """A network with the shape of the model that ``options`` name and timm's initial weights, on the CPU.

    Raises ``WeightsError`` when that model cannot be loaded.
    """
    with torch.random.fork_rng(devices=[]):
        shape = load(options.model, heads=options.heads, positions=options.positions, offline=options.offline)
        torch.manual_seed(seed)
        return family_of(shape.spec.family).new(shape.spec, shape.network.state_dict())


def write_random_weights(options: ModelOptions, path: Path, *, seed: int = SEED) -> None:
    """A weight file of an ``untrained`` network."""
    save_backbone(untrained(options, seed=seed), path, store="float32")


def model_name(options: ModelOptions, random_weights: bool) -> str:
    """What a report calls the network."""
    return f"random weights in the shape of {options.model}" if random_weights else options.model
