"""``dinoseg doctor``: what this machine offers, and why something is slow or missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dinoseg.cli.arguments import Json
from dinoseg.cli.console import tell, tell_json, tell_table

PACKAGES = (
    "dinoseg",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "pillow",
    "scipy",
    "scikit-image",
    "scikit-learn",
    "safetensors",
    "huggingface_hub",
)
CV2 = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
"""Packages that all install the one module ``cv2``: the one installed last wins, and removing one breaks the other."""


def doctor(*, json: Json = False) -> None:
    """Versions, device and why the GPU is not used, threads, free disk, the cache."""
    facts = {
        "versions": versions(),
        "device": device(),
        "threads": threads(),
        "disk": disk(),
        "models": cached_models(),
        "warnings": warnings(),
    }
    if json:
        tell_json(facts)
        return
    for title, found in facts.items():
        tell(title)
        if isinstance(found, dict):
            tell_table(("", name, value) for name, value in found.items())
        else:
            tell_table(("", line) for line in found or ["none"])


def versions() -> dict[str, str]:
    """Python's and the packages' versions."""
    return {"python": f"{platform.python_version()} on {platform.platform()}"} | {
        name: installed(name) or "missing" for name in (*PACKAGES, *filter(installed, CV2))
    }


def installed(package: str) -> str | None:
    """Version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def device() -> dict[str, str]:
    """The device that ``--device auto`` takes, and why it is not a GPU."""
    import torch

    build = {"torch build": torch.__version__}
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        return build | {"auto": "cuda", "gpu": names}
    if torch.backends.mps.is_available():
        return build | {"auto": "mps", "gpu": "Apple silicon"}
    return build | {"auto": "cpu", "no gpu because": why_no_gpu()}


def why_no_gpu() -> str:
    """The first thing that stands between torch and a GPU."""
    import torch

    if sys.platform == "darwin":
        return "this Mac or this torch has no Metal backend (it needs Apple silicon and macOS 12.3 or newer)"
    if torch.version.cuda is None and torch.version.hip is None:
        return (
            f"torch {torch.__version__} is built for the CPU only: install a CUDA build together with its torchvision"
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={visible!r} hides every GPU"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return " ".join(str(error).split())
    return "torch finds no GPU"


def threads() -> dict[str, Any]:
    """Cores of this process and the threads that torch uses."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "torch threads": torch.get_num_threads(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
    }


def disk() -> dict[str, str]:
    """Free space where results and weights go."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return {
        "here": f"{free(Path.cwd())} free in {Path.cwd()}",
        "cache": f"{free(Path(HF_HUB_CACHE))} free in {HF_HUB_CACHE} (HF_HOME moves it)",
    }


def free(folder: Path) -> str:
    """Free space of the file system that ``folder``, or the nearest folder above it, lies on."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return f"{shutil.disk_usage(there).free / 1e9:.1f} GB"


def cached_models() -> dict[str, str]:
    """The networks that need no download."""
    from dinoseg.backbone.names import ZOO, cached

    return {name: str(path) for name in ZOO if (path := cached(name)) is not None}


def warnings() -> list[str]:
    """What is known to go wrong on a machine like this one."""
    twins = [name for name in CV2 if installed(name)]
    found = []
    if len(twins) > 1:
        found.append(f"{' and '.join(twins)} overwrite each other's cv2: keep one (pip uninstall all, install one)")
    if shutil.disk_usage(Path.cwd()).free < 1e9:
        found.append("less than 1 GB of disk is free here")
    return found
