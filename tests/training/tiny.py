"""A recipe small enough to run whole in a test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinoseg.options import TrainOptions
from tests.helpers import GOLDEN


def golden() -> Any:
    """What the reference program gave for loss, head, schedules and clipping."""
    return np.load(GOLDEN / "training.npz")


def options(output: Path = Path("run"), **changes: Any) -> TrainOptions:
    """Two blocks of width 12, crops of 16 and 8 px: 10 photographs are 2 steps an epoch, 6 in all."""
    values: dict[str, Any] = {
        "device": "cpu",
        "epochs": 3,
        "batch": 4,
        "patch": 8,
        "width": 12,
        "depth": 2,
        "heads": 3,
        "global_size": 16,
        "local_size": 8,
        "local_crops": 2,
        "prototypes": 32,
        "warmup_epochs": 1,
        "lr": 0.05,
        "momentum": 0.9,
        "save_every": 2,
        "watch_every": 0,
    }
    return TrainOptions(output=output, **values | changes)


def small_head(monkeypatch: pytest.MonkeyPatch, hidden: int = 16, bottleneck: int = 8) -> None:
    """The published head is 4.7 M parameters whatever the backbone; tests that save often use a small one."""
    from dinoseg.training import network

    head: Callable[..., Any] = network.DINOHead
    monkeypatch.setattr(network, "DINOHead", lambda *a, **k: head(*a, hidden=hidden, bottleneck=bottleneck, **k))
