"""What can be loaded by name, and how a name becomes a file. No torch is needed for either."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from dinoseg.errors import WeightsNotFound, first_line
from dinoseg.files import EMPTY, absent, home_path
from dinoseg.registry import unknown


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """A network that can be loaded by name, and where its weights are."""

    hub: str
    """Repository of timm on the Hugging Face hub; empty for the model inside the package."""
    heads: int
    patch: int
    megabytes: int
    licence: str
    note: str


BUILTIN = "builtin"
FILE = "model.safetensors"
EXPORTED = ".onnx"
"""How the names of exported networks end."""
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


def find_weights(model: str, *, offline: bool = False) -> Path:
    """The file behind a name (fetched at first use unless ``offline``) or a path. Raises ``WeightsNotFound``."""
    return here(model) or fetch(model, offline=offline)


def here(model: str) -> Path | None:
    """The file behind a name or a path; None for one of the hub that is not fetched yet. Raises ``WeightsNotFound``."""
    if model == BUILTIN:
        if not builtin_file().is_file():
            raise WeightsNotFound(f"{builtin_file()} is not there: the installation is broken, install dinoseg again.")
        return builtin_file()
    if model in ZOO:
        return cached(model)
    if not model or "://" in model:
        raise WeightsNotFound(f"{model or EMPTY} {absent(model)}; `dinoseg models` lists what can be loaded by name.")
    path = home_path(model)
    if path.is_file():
        return path
    if path.is_dir():
        raise WeightsNotFound(f"{model} is a folder: name the weight file in it (.safetensors or .pth).")
    raise WeightsNotFound(unknown(f"{model} is neither a file nor a model that dinoseg knows.", model, ZOO))


def check_weights(model: str | None, *, offline: bool = False) -> None:
    """Raise ``WeightsNotFound`` where ``find_weights`` would without asking the hub; None is no model."""
    if model is not None and here(model) is None and offline:
        fetch(model, offline=True)


def builtin_file() -> Path:
    """The model inside the package."""
    return Path(str(files("dinoseg").joinpath("builtin", FILE)))


def builtin_graph() -> Path:
    """The same, exported with integer weights."""
    return builtin_file().with_suffix(EXPORTED)


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
