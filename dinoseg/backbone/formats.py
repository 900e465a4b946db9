"""Formats of weight files: read without running code, and named where they are something else."""

from __future__ import annotations

import argparse
import json
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from dinoseg.backbone.memory import out_of_memory
from dinoseg.errors import CorruptWeights, UnsafeWeights, WeightsNotFound, first_line
from dinoseg.files import open_regular

if TYPE_CHECKING:
    from torch import Tensor

OTHER_FILES = (
    (rb"$", "is empty: fetch it again"),
    (rb"version https://git-lfs", "is a pointer of Git LFS, not the weights: `git lfs pull` brings them"),
    (rb"\s*<", "is a web page, not weights: download the file itself"),
    (rb"\s*[{\[]", "is json, perhaps the configuration beside the weights: name the weight file"),
    (rb"\x89HDF\r\n", "is HDF5, as Keras writes it, which is not read: convert it to .safetensors"),
    (rb"\x08[\x01-\x0f][\x12\x1a\x22\x3a\x42]", "is ONNX, not a checkpoint: name the weights that it was made from"),
    (rb"GGUF", "is GGUF, which is not read: name the .safetensors that it was made from"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!", "is compressed: unpack it first"),
    (rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF.{4}WEBP|BM", "is a picture, not weights"),
    (rb"%PDF", "is a PDF, not weights"),
)
"""How files begin that are taken for weights, and what is said of them."""
SCALAR = np.float64(0).__reduce__()[0]
DTYPES = [type(np.dtype(kind)) for kind in (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)]
ALLOWED: list[Any] = [
    argparse.Namespace,  # options, in official training files
    np.dtype,
    *DTYPES,  # numpy's scalars: losses and accuracies in training files
    *((SCALAR, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")),
]
"""What a pickle may hold beside tensors: making these runs nothing of the file's."""
SAVE = "Ask its maker for .safetensors, or save its state_dict alone."


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file, as stored. Never runs code. Raises ``WeightsError``."""
    head = beginning(path)
    refuse_other_files(path, head)
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        return read_safetensors(path)
    from dinoseg.backbone.layouts import tensors_of  # torch: only once there is such a file

    loaded = read_pickle(path)
    metadata = loaded.pop("dinoseg_metadata", {}) if isinstance(loaded, dict) else {}
    told = dict(metadata.items()) if isinstance(metadata, Mapping) else {}
    return tensors_of(loaded, path), pixels_of_lightly(loaded) | {str(key): str(value) for key, value in told.items()}


def pixels_of_lightly(loaded: Any) -> dict[str, str]:
    """Mean and deviation that lightly-train writes into its checkpoints, as a header has them."""
    told = loaded
    for key in ("lightly_train", "normalize_args"):
        told = told.get(key) if isinstance(told, Mapping) else None
    return (
        {key: json.dumps(told[key], default=str) for key in ("mean", "std") if key in told}
        if isinstance(told, dict)
        else {}
    )


def beginning(path: Path) -> bytes:
    """The first bytes of a file. Raises ``WeightsNotFound`` for what is no file that can be read."""
    try:
        with open_regular(path) as file:
            return file.read(512)
    except FileNotFoundError as error:
        raise WeightsNotFound(f"{path} is not there. `dinoseg models` lists what can be loaded by name.") from error
    except OSError as error:
        raise WeightsNotFound(f"{path} cannot be opened ({error.strerror}).") from error


def refuse_other_files(path: Path, head: bytes) -> None:
    """Raise ``CorruptWeights`` for a file that is no checkpoint, saying what it is and what to do."""
    if head[8:9] == b"{":  # safetensors: 8 bytes of length come first
        return
    for magic, what in OTHER_FILES:
        if re.match(magic, head, re.DOTALL):
            raise CorruptWeights(f"{path} {what}.")
    if head[:2] == b"PK":
        refuse_other_archives(path)
    elif head[:1] != b"\x80" and path.suffix != ".safetensors":
        raise CorruptWeights(f"{path} is no weight file: .safetensors or a PyTorch .pth is needed.")


def refuse_other_archives(path: Path) -> None:
    """The same for a zip archive, which PyTorch's files are too."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise CorruptWeights(f"{path} is half a download or damaged ({error}): fetch it again.") from error
    if any("/code/" in name for name in names):
        raise CorruptWeights(
            f"{path} is a TorchScript program, not weights: torch.jit.load it and save its state_dict()."
        )
    if not any(name.endswith("data.pkl") for name in names):
        raise CorruptWeights(
            f"{path} is a zip archive and no PyTorch file: unpack it, or fetch the weights themselves."
        )


def read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """``read_state`` in numpy, of a safetensors file only: no torch is needed."""
    refuse_other_files(path, beginning(path))
    return read_safetensors(path, "np")


def read_safetensors(path: Path, framework: str = "pt") -> tuple[dict[str, Any], dict[str, str]]:
    """See ``read_state``; ``framework``: ``pt`` for tensors, ``np`` for arrays."""
    try:
        with safe_open(path, framework=framework) as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptWeights(f"{path} is not a whole safetensors file ({error}): fetch it again.") from error


def read_pickle(path: Path) -> Any:
    """``torch.load`` with ``weights_only``; what is allowed beside tensors runs no code (see ``ALLOWED``)."""
    import torch

    try:
        with torch.serialization.safe_globals(ALLOWED):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a changed byte can make each of a dozen types of it
        if out_of_memory(error):
            raise
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if isinstance(error, pickle.UnpicklingError) and (named or "Unsupported" in str(error)):
            what = f"objects of {named.group(1)}" if named else "objects"
            raise UnsafeWeights(
                f"{path} holds {what}, which may run code while they load, so it was not loaded. {SAVE}"
            ) from error
        says = first_line(error) if "weights_only" not in str(error) else "no tensors where they should be"
        raise CorruptWeights(
            f"{path} is no PyTorch weight file, half a download or damaged ({says}): fetch it again."
        ) from error
