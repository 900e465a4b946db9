"""The network of ``head``: what is learned on top of a backbone that stays as it is, and its file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from dinoseg.atomic import atomic_write
from dinoseg.backbone.base import BackboneSpec
from dinoseg.backbone.export import with_sorted_header
from dinoseg.backbone.formats import read_state
from dinoseg.backbone.precision import own_precision
from dinoseg.errors import WeightsMismatch, WeightsNotFound
from dinoseg.files import home_path

BUILTIN_HEAD = "builtin/head.safetensors"
CPU = torch.device("cpu")
KIND = "dinoseg segmentation head"


class HeadNetwork(nn.Module):
    """Patch features -> logits of ``cells x cells`` cells in each patch: a linear layer, and a hidden one beside it.

    The features are standardised by what they were over the photographs of the training.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, hidden: int, cells: int) -> None:
        super().__init__()
        self.cells = cells
        self.linear = nn.Linear(width, cells * cells)
        self.inner = nn.Linear(width, hidden)
        self.outer = nn.Linear(hidden, cells * cells, bias=False)
        for layer in (self.linear, self.outer):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def forward(self, features: Tensor) -> Tensor:
        """``(..., d)`` -> ``(..., cells * cells)``, the cells of a patch in reading order."""
        features = (features - self.mean) / self.deviation
        return self.linear(features) + self.outer(F.gelu(self.inner(features)))

    def maps(self, features: Tensor) -> Tensor:
        """``(B, gh, gw, d)`` -> the probability of each cell, ``(B, gh cells, gw cells)``."""
        cells = self(features).sigmoid().unflatten(-1, (self.cells, self.cells))  # (B, gh, gw, cells, cells)
        return cells.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def save_head(network: HeadNetwork, path: Path, spec: BackboneSpec, **facts: str) -> None:
    """Write a head whole or not at all, with the backbone that it belongs to; ``facts`` join the header."""
    header = {"kind": KIND, "backbone": spec.name, "backbone_sha256": spec.sha256, **facts}
    state = {name: tensor.half().contiguous().cpu() for name, tensor in network.state_dict().items()}
    with atomic_write(path) as file:
        file.write(with_sorted_header(save(state, metadata=header)))


def head_file(weights: str | None) -> Path:
    """The file of a head: the one named, or that of the built-in model."""
    return Path(str(files("dinoseg").joinpath(BUILTIN_HEAD))) if weights is None else home_path(weights)


@own_precision()
def load_head(weights: str | None, spec: BackboneSpec | None = None, device: torch.device = CPU) -> HeadNetwork:
    """The head of that file, or the built-in model's, in eval mode on a device; loaded once. Do not change it.

    Raises ``WeightsError`` for a file that is no head, or not one of the network ``spec``.
    """
    path = head_file(weights)
    if not path.is_file():
        raise WeightsNotFound(f"{path} is not there: `dinoseg train-head PHOTOS -o {path.name}` makes a head.")
    status = path.stat()
    network, trained_on = kept(path, (status.st_mtime_ns, status.st_ino), device)
    if spec and trained_on.get("backbone_sha256") != spec.sha256:
        what = "the built-in head" if weights is None else str(path)
        owner = trained_on.get("backbone", "another network")
        raise WeightsMismatch(
            f"{what} belongs to {owner}, not to {spec.name}. Train one: `dinoseg train-head PHOTOS --model {spec.name} "
            f"-o head.safetensors`, then pass --param weights=head.safetensors."
        )
    return network


@lru_cache(maxsize=4)
def kept(  # the second argument is there for the cache: a new file within a tick of the clock is another inode
    path: Path,
    _: tuple[int, int],
    device: torch.device,
) -> tuple[HeadNetwork, Mapping[str, str]]:
    """A head and the header of its file."""
    state, metadata = read_state(path)
    if metadata.get("kind") != KIND:
        raise WeightsMismatch(f"{path} is no head of `dinoseg train-head`; a backbone is named with --model.")
    try:
        hidden, width = state["inner.weight"].shape
        network = HeadNetwork(width, hidden, math.isqrt(len(state["linear.weight"])))
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except (KeyError, RuntimeError, ValueError) as error:
        raise WeightsMismatch(f"{path} is a head that this version does not know ({error}): train it again.") from error
    if not all(tensor.isfinite().all() for tensor in network.state_dict().values()):
        raise WeightsMismatch(f"{path} holds numbers that are not finite: train it again.")
    return network.to(device).eval().requires_grad_(False), metadata
