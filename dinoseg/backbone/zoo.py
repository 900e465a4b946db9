"""How a name or a file becomes a network on a device."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import torch
from platformdirs import user_data_path

from dinoseg.atomic import atomic_write
from dinoseg.backbone.base import Backbone
from dinoseg.backbone.memory import on_device
from dinoseg.backbone.names import ZOO, find_weights
from dinoseg.backbone.precision import own_precision
from dinoseg.backbone.weights import load_file
from dinoseg.errors import CorruptWeights, DeviceError, OutOfMemory
from dinoseg.files import read_back
from dinoseg.options import ModelOptions

B = TypeVar("B", bound=Backbone)


def load_backbone(options: ModelOptions) -> Backbone:
    """The network that ``options`` name, in eval mode on their device. Raises ``WeightsError`` or ``DeviceError``.

    The last two are kept: a notebook that segments image after image loads its network once. Do not change them.
    """
    device = choose_device(options.device)
    changed = find_weights(options.model, offline=options.offline).stat().st_mtime_ns
    kept = _kept(options.model, options.heads, options.positions, device, changed)
    return kept.normalising(options.mean, options.std)


@lru_cache(maxsize=2)
def _kept(model: str, heads: int | None, positions: str, device: torch.device, changed: int) -> Backbone:  # noqa: ARG001
    return put_on(load(model, heads=heads, positions=positions), device)


@own_precision()
def put_on(backbone: B, device: torch.device) -> B:
    """The network there. Raises ``DeviceError`` where it does not fit, or the device does not answer."""
    try:
        with on_device(device, f"{backbone.spec.name} does not fit into the memory of {device}"):
            return backbone.to(device)
    except OutOfMemory as error:
        raise DeviceError(f"{error}: use --device cpu, or a smaller --model.") from error


def load(model: str, *, heads: int | None = None, positions: str = "family", offline: bool = False) -> Backbone:
    """A network by name or path, on the CPU. See ``load_backbone``."""
    path = find_weights(model, offline=offline)
    entry = ZOO.get(model)
    rule = None if positions == "family" else positions
    if entry is None:
        return load_file(path, heads=heads, positions=rule)
    try:
        backbone = load_file(path, name=model, heads=heads or entry.heads, positions=rule)
    except CorruptWeights as error:
        raise CorruptWeights(f"{error} {set_aside(model, path)}") from error
    if entry.hub:
        compare_hash(model, backbone.spec.sha256)
    return backbone


def set_aside(model: str, path: Path) -> str:
    """Move a broken file out of the hub's cache, so that it is fetched anew; says what was done."""
    if not ZOO[model].hub:
        return "It is the package's own: install dinoseg again."
    blob = path.resolve()
    try:
        blob.replace(blob.with_name(blob.name + ".corrupt"))
    except OSError as error:
        return f"It could not be moved away ({error.strerror}): remove {blob}."
    return f"It was moved to {blob.name}.corrupt; `dinoseg models fetch {model}` brings it anew."


def compare_hash(model: str, digest: str) -> None:
    """The hash of a fetched model is written down at first use and must stay. Raises ``CorruptWeights``."""
    book = user_data_path("dinoseg") / "hashes.json"
    found = read_back(book)  # torn or none yet: begin a new one
    known = {name: hash_ for name, hash_ in found.items() if isinstance(hash_, str)} if isinstance(found, dict) else {}
    if known.get(model, digest) != digest:
        raise CorruptWeights(
            f"{model} is another file than at its first use (sha256 {digest[:12]}, then {known[model][:12]}). "
            f"If this is meant to be, remove its line from {book}."
        )
    if model not in known:
        with suppress(OSError):  # a home that cannot be written is no reason to refuse good weights
            book.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(book) as file:
                file.write(json.dumps({**known, model: digest}, indent=1, sort_keys=True).encode())


def choose_device(name: str) -> torch.device:
    """``auto`` is cuda, mps or cpu, in this order; a device that is named must be here. Raises ``DeviceError``."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"--device {name} is not a device: use auto, cpu, cuda, cuda:1 or mps.") from error
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not here.get(device.type, False):
        raise DeviceError(f"--device {name} is not available here; `dinoseg doctor` says why. Use --device auto.")
    return device
