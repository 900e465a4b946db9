"""Checkpoints of our own, in torch's format: whole or not there, read only if nothing in them was changed.

Equal states give equal files. Pickle writes a string once and points to it wherever the very same object comes again,
and which strings are one object depends on whether a state was made or read: all are made one.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dinoseg.atomic import atomic_write
from dinoseg.backbone.memory import out_of_memory
from dinoseg.errors import CorruptWeights


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors, numbers and words. Raises ``OSError`` (disk full), with the old file as it was."""
    with atomic_write(path) as file:
        torch.save(interned(state), file)


def load_state(path: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """What ``save_state`` wrote. Raises ``CorruptWeights`` for anything else, whatever became of the file."""
    try:
        check_whole(path)
        state = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(state, dict):
            raise TypeError("it is no checkpoint")  # noqa: TRY301
    except Exception as error:  # a changed byte can make each of a dozen types of it
        if out_of_memory(error):
            raise
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise CorruptWeights(f"{path} is damaged ({told})") from error
    return state


def check_whole(path: Path) -> None:
    """Raise ``BadZipFile`` if the content is not what was written: ``torch.load`` does not look at its checksums.

    What is marked as a folder it would not even read, and leave in the tensor whatever memory held before.
    """
    with zipfile.ZipFile(path) as archive:
        member = archive.testzip()
        folders = [info.filename for info in archive.infolist() if info.external_attr]
    if member is not None:
        raise zipfile.BadZipFile(f"checksum of {member} is wrong")
    if folders:
        raise zipfile.BadZipFile(f"{folders[0]} is no file")


def interned(value: Any) -> Any:
    """A copy of a state in which equal strings are one object and no two containers are."""
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, Mapping):
        return {interned(key): interned(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(interned, value))
    return value
