"""The network of ``head`` as it is asked: its formula, for arrays of any library, and its file. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import array_api_compat
import numpy as np
import scipy.special
from array_api_compat import array_namespace

from dinoseg.backbone.features import Array
from dinoseg.backbone.formats import read_arrays
from dinoseg.errors import WeightsMismatch, WeightsNotFound
from dinoseg.files import home_path

if TYPE_CHECKING:
    from dinoseg.backbone.spec import BackboneSpec

BUILTIN_HEAD = "builtin/head.safetensors"
KIND = "dinoseg segmentation head"
SHAPES = {
    "mean": ("d",),
    "deviation": ("d",),
    "linear.weight": ("cells", "d"),
    "linear.bias": ("cells",),
    "inner.weight": ("hidden", "d"),
    "inner.bias": ("hidden",),
    "outer.weight": ("cells", "hidden"),
}
"""Of its tensors; ``cells`` is a square number: the cells of a patch."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A trained head. Do not change it: it is kept."""

    tensors: Mapping[str, Array]
    """As ``SHAPES`` has them."""
    trained_on: Mapping[str, str]
    """The header of its file."""

    def maps(self, features: Array) -> Array:
        """``(B, gh, gw, d)`` -> the probability of each cell, ``(B, gh cells, gw cells)``, in the library of these."""
        xp, device = array_namespace(features), array_api_compat.device(features)
        tensors = {name: xp.asarray(tensor, device=device) for name, tensor in self.tensors.items()}
        batch, rows, columns, _ = features.shape
        _, logistic = special(features)
        cells = math.isqrt(tensors["linear.bias"].shape[0])
        given = logistic(logits(features, tensors))
        patches = xp.reshape(given, (batch, rows, columns, cells, cells))
        return xp.reshape(xp.permute_dims(patches, (0, 1, 3, 2, 4)), (batch, rows * cells, columns * cells))


def logits(features: Array, tensors: Mapping[str, Array]) -> Array:
    """``(..., d)`` -> ``(..., cells * cells)``, the cells of a patch in reading order.

    A linear layer, and beside it one with a hidden layer of GELU units. The features are standardised by what they were
    over the photographs of the training.
    """
    x = (features - tensors["mean"]) / tensors["deviation"]
    erf, _ = special(features)
    inner = x @ tensors["inner.weight"].T + tensors["inner.bias"]
    inner = inner * (1 + erf(inner / math.sqrt(2))) / 2
    return x @ tensors["linear.weight"].T + tensors["linear.bias"] + inner @ tensors["outer.weight"].T


def special(array: Array) -> tuple[Array, Array]:
    """The error function and the logistic function of an array's library; the array API has neither."""
    if array_api_compat.is_torch_array(array):
        xp = array_namespace(array)
        return xp.erf, xp.sigmoid
    return scipy.special.erf, scipy.special.expit


def head_file(weights: str | None) -> Path:
    """The file of a head: the one named, or that of the built-in model."""
    return Path(str(files("dinoseg").joinpath(BUILTIN_HEAD))) if weights is None else home_path(weights)


def load_head(weights: str | None, spec: BackboneSpec | None = None) -> Head:
    """The head of that file, or the built-in model's; loaded once.

    Raises ``WeightsError`` for a file that is no head, or not one of the network ``spec``.
    """
    path = head_file(weights)
    if not path.is_file():
        raise WeightsNotFound(f"{path} is not there: `dinoseg train-head PHOTOS -o {path.name}` makes a head.")
    status = path.stat()
    head = kept(path, (status.st_mtime_ns, status.st_ino))
    if spec and head.trained_on.get("backbone_sha256") != spec.sha256:
        what = "the built-in head" if weights is None else str(path)
        owner = head.trained_on.get("backbone", "another network")
        raise WeightsMismatch(
            f"{what} belongs to {owner}, not to {spec.name}. Train one: `dinoseg train-head PHOTOS --model {spec.name} "
            f"-o head.safetensors`, then pass --param weights=head.safetensors."
        )
    return head


@lru_cache(maxsize=4)
def kept(
    path: Path, _: tuple[int, int]
) -> Head:  # the second is for the cache: a file of the same tick is another inode
    """See ``load_head``."""
    state, metadata = read_arrays(path)
    if metadata.get("kind") != KIND:
        raise WeightsMismatch(f"{path} is no head of `dinoseg train-head`; a backbone is named with --model.")
    sizes: dict[str, int] = {}
    for name, axes in SHAPES.items():
        shape = state[name].shape if name in state else ()
        fits = len(shape) == len(axes) and all(
            sizes.setdefault(*each) == each[1] for each in zip(axes, shape, strict=True)
        )
        if not fits:
            told = f"its {name} is {shape or 'missing'}"
            raise WeightsMismatch(f"{path} is a head that this version does not know ({told}): train it again.")
    tensors = {name: state[name].astype(np.float32) for name in SHAPES}
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise WeightsMismatch(f"{path} holds numbers that are not finite: train it again.")
    return Head(tensors, metadata)
