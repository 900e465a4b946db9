"""What can be loaded by name, and how a name becomes a network."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import torch
from platformdirs import user_data_path

from dinoseg.atomic import atomic_write
from dinoseg.backbone.memory import first_line, on_device
from dinoseg.backbone.precision import own_precision
from dinoseg.backbone.vit import Backbone
from dinoseg.backbone.weights import load_file
from dinoseg.errors import CorruptWeights, DeviceError, OutOfMemory, WeightsNotFound
from dinoseg.files import EMPTY, absent, home_path, read_back
from dinoseg.options import ModelOptions


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """One named network."""

    hub: str
    """Repository of timm on the Hugging Face hub; empty for the model inside the package."""
    heads: int
    patch: int
    megabytes: int
    licence: str
    note: str


BUILTIN = "builtin"
FILE = "model.safetensors"
ANSWER = 5.0
"""Seconds that the hub has to answer."""
REST = 60.0
"""Seconds for which a hub that did not is not asked again."""
silent: list[tuple[float, Exception]] = []
"""When that was last, and what was said; empty at first."""
DINOV3 = "DINOv3 licence (Meta)"

ZOO: dict[str, ZooEntry] = {
    BUILTIN: ZooEntry(
        "", 6, 10, 12, "see builtin/LICENSE", "ships inside the package; compressed from DINOv2 ViT-S/14"
    ),
    "dino-vits16": ZooEntry("timm/vit_small_patch16_224.dino", 6, 16, 87, "Apache-2.0", "DINO v1"),
    "dino-vits8": ZooEntry("timm/vit_small_patch8_224.dino", 6, 8, 87, "Apache-2.0", "DINO v1, the finest masks"),
    "dino-vitb16": ZooEntry("timm/vit_base_patch16_224.dino", 12, 16, 343, "Apache-2.0", "DINO v1"),
    "dino-vitb8": ZooEntry("timm/vit_base_patch8_224.dino", 12, 8, 343, "Apache-2.0", "DINO v1"),
    "dinov2-small": ZooEntry("timm/vit_small_patch14_dinov2.lvd142m", 6, 14, 88, "Apache-2.0", "DINOv2"),
    "dinov2-base": ZooEntry("timm/vit_base_patch14_dinov2.lvd142m", 12, 14, 346, "Apache-2.0", "DINOv2"),
    "dinov2-large": ZooEntry("timm/vit_large_patch14_dinov2.lvd142m", 16, 14, 1217, "Apache-2.0", "DINOv2"),
    "dinov2-small-registers": ZooEntry(
        "timm/vit_small_patch14_reg4_dinov2.lvd142m", 6, 14, 88, "Apache-2.0", "DINOv2 with 4 registers"
    ),
    "dinov2-base-registers": ZooEntry(
        "timm/vit_base_patch14_reg4_dinov2.lvd142m", 12, 14, 346, "Apache-2.0", "DINOv2 with 4 registers"
    ),
    "dinov2-large-registers": ZooEntry(
        "timm/vit_large_patch14_reg4_dinov2.lvd142m", 16, 14, 1217, "Apache-2.0", "DINOv2 with 4 registers"
    ),
    "dinov3-small": ZooEntry("timm/vit_small_patch16_dinov3.lvd1689m", 6, 16, 86, DINOV3, "DINOv3"),
    "dinov3-base": ZooEntry("timm/vit_base_patch16_dinov3.lvd1689m", 12, 16, 343, DINOV3, "DINOv3"),
    "dinov3-large": ZooEntry("timm/vit_large_patch16_dinov3.lvd1689m", 16, 16, 1213, DINOV3, "DINOv3"),
}


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
def put_on(backbone: Backbone, device: torch.device) -> Backbone:
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


def find_weights(model: str, *, offline: bool = False) -> Path:
    """The file behind a name (fetched at first use unless ``offline``) or a path. Raises ``WeightsNotFound``."""
    if model == BUILTIN:
        if not builtin_file().is_file():
            raise WeightsNotFound(f"{builtin_file()} is not there: the installation is broken, install dinoseg again.")
        return builtin_file()
    entry = ZOO.get(model)
    if entry is not None:
        return cached(model) or fetch(model, offline=offline)
    if not model or "://" in model:
        raise WeightsNotFound(f"{model or EMPTY} {absent(model)}; `dinoseg models` lists what can be loaded by name.")
    path = home_path(model)
    if path.is_file():
        return path
    if path.is_dir():
        raise WeightsNotFound(f"{model} is a folder: name the weight file in it (.safetensors or .pth).")
    near = get_close_matches(model, ZOO, n=1)
    guess = f" Did you mean {near[0]}?" if near else ""
    raise WeightsNotFound(f"{model} is neither a file nor a model that dinoseg knows ({', '.join(ZOO)}).{guess}")


def builtin_file() -> Path:
    """The model inside the package."""
    return Path(str(files("dinoseg").joinpath("builtin", FILE)))


def cached(model: str) -> Path | None:
    """The file of a zoo name if it is on this machine."""
    if model == BUILTIN:
        return builtin_file() if builtin_file().is_file() else None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(ZOO[model].hub, FILE)
    return Path(found) if isinstance(found, str) and Path(found).is_file() else None


def fetch(model: str, *, offline: bool = False) -> Path:
    """Download a zoo model into the hub cache (locked, resumed, whole or not at all) and return its file.

    Raises ``WeightsNotFound``.
    """
    from huggingface_hub import hf_hub_download

    entry = ZOO[model]
    told = f"{model} ({entry.hub}/{FILE}, {entry.megabytes} MB)"
    later = f"With a network, `dinoseg models fetch {model}` brings it; HF_ENDPOINT names a mirror, HF_HOME the cache."
    if offline:
        raise WeightsNotFound(f"{told} is not on this machine and --offline forbids to fetch it. {later}")
    try:
        ask_hub(entry.hub)
        return Path(hf_hub_download(entry.hub, FILE))
    except Exception as error:  # of the hub's library, or of the one it speaks with, which is another in each version
        raise WeightsNotFound(f"{told} could not be fetched: {first_line(error)} {later}") from error


def ask_hub(repository: str) -> None:
    """Ask once for a file, before the hub's library would ask six times; one that was silent is left alone for a while.

    Raises whatever the library does.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    if silent and time.monotonic() - silent[0][0] < REST:
        raise silent[0][1]
    try:
        get_hf_file_metadata(hf_hub_url(repository, FILE), timeout=ANSWER)
    except HfHubHTTPError:  # an answer
        raise
    except Exception as error:
        silent[:] = [(time.monotonic(), ConnectionError(f"the hub does not answer ({first_line(error)})."))]
        raise silent[0][1] from error


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
