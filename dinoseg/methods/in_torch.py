"""Methods that are asked in torch: those that compute in it, and all of them about a network that runs in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from dinoseg.backbone.features import Features
from dinoseg.backbone.precision import inference
from dinoseg.method import Method
from dinoseg.types import Fit, Photo, Proposals


@inference
def ask(method: Method, features: Features, photos: Sequence[Photo], fits: Sequence[Fit]) -> list[Proposals]:
    """What a method finds, from features that become tensors. Raises numpy's ``LinAlgError`` where torch does."""
    try:
        return method(features.map(torch.asarray), photos, fits)
    except torch.linalg.LinAlgError as cause:  # type: ignore[attr-defined]
        raise np.linalg.LinAlgError(str(cause)) from cause
