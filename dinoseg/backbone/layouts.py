"""What checkpoints in the wild look like, and which of their tensors are the network's.

A checkpoint is a dictionary, perhaps in another, of several networks, perhaps, one of them that which is looked for,
whose tensors have a common prefix.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dinoseg.errors import WeightsMismatch

log = logging.getLogger(__name__)
CONTAINERS = (
    *("teacher", "model_ema", "state_dict_ema", "ema_state_dict", "ema", "student"),
    *("model", "state_dict", "model_state_dict", "net", "network", "module"),
)
"""Where the tensors may lie, best first: averaged weights are what DINO evaluates."""
AVERAGED = re.compile(r"teacher|momentum|ema\b|_ema|ema_|target|encoder_k")
LEARNING = re.compile(r"student|online|encoder_q")
"""Words in the prefix of one of several networks."""
WRAPPED = re.compile(r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What torch.compile and its like put into names."""


def tensors_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    """The state dict inside a checkpoint. Raises ``WeightsMismatch`` where there is none."""
    place, found = state_dict_in(loaded)
    if place:
        log.info("%s: a checkpoint; the tensors under %r are used.", path, ".".join(place))
    if not found:
        seen = ", ".join(map(str, list(loaded)[:8])) if isinstance(loaded, Mapping) else type(loaded).__name__
        raise WeightsMismatch(f"{path} holds no state dict (looked for {', '.join(CONTAINERS)}); it holds: {seen}.")
    return found


def state_dict_in(loaded: Any) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """Keys that lead to the best container, however deep, and its tensors; nothing where there are none."""
    if not isinstance(loaded, Mapping):
        return (), {}
    for key in CONTAINERS:
        place, found = state_dict_in(loaded.get(key))
        if found:
            return (key, *place), found
    return (), {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}


def unwrapped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under names without what torch.compile and its like put into them."""
    return {WRAPPED.sub("", key): tensor for key, tensor in state.items()}


def best_prefix(state: Mapping[str, Tensor], anchors: Collection[str], path: Path) -> str:
    """What stands before the names of the network to take: an averaged one's before others', a student's last.

    ``anchors`` are names of which every network has one. Raises ``WeightsMismatch`` where there are several that are
    equally good.
    """
    prefixes = sorted(
        {key.removesuffix(anchor) for key in state for anchor in anchors if key.endswith(anchor)}, key=len
    )
    if not prefixes:
        return ""
    ranks = [0 if AVERAGED.search(prefix) else 2 if LEARNING.search(prefix) else 1 for prefix in prefixes]
    best = [prefix for prefix, rank in zip(prefixes, ranks, strict=True) if rank == min(ranks)]
    if any(not same_network(state, best[0], prefix) for prefix in best[1:]):
        raise WeightsMismatch(
            f"{path} holds several networks ({', '.join(best)}): save the state_dict of the one that is meant."
        )
    return best[0]


def same_network(state: Mapping[str, Tensor], first: str, second: str) -> bool:
    """Whether a module stands twice in a state dict, as one that has two names in its program does."""
    one, two = (
        {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
        for prefix in (first, second)
    )
    return one.keys() == two.keys() and all(torch.equal(tensor, two[key]) for key, tensor in one.items())
