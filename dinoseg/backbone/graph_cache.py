"""Compiled networks on disk: to compile one takes longer than all the rest of segmenting a photograph.

They lie in the user's cache folder, and may be removed at any time.
"""

from __future__ import annotations

import hashlib
import logging
from io import BytesIO
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from dinoseg.atomic import atomic_write
from dinoseg.errors import DinosegError
from dinoseg.files import open_regular, sha256

log = logging.getLogger(__name__)
LARGEST = 2**26
"""Bytes of a network up to which it is kept: a larger one would fill the disk without a word."""
CHECKSUM = hashlib.sha256().digest_size


def compiled(core: Any, path: Path, settings: dict[str, Any]) -> Any:
    """OpenVINO's compiled network of a file, from disk where it was compiled before for such a processor.

    Raises ``RuntimeError`` where it cannot be compiled.
    """
    if path.stat().st_size > LARGEST:
        return core.compile_model(path, "CPU", settings)
    place = cache_file(path, settings)
    content = read(place)
    if content is not None:
        try:
            return core.import_model(BytesIO(content), "CPU", settings)
        except RuntimeError as error:  # another version of OpenVINO, or another processor
            log.debug("%s is compiled anew: %s", path, error)
    network = core.compile_model(path, "CPU", {**settings, "CACHE_MODE": "OPTIMIZE_SPEED"})
    exported = BytesIO()
    network.export_model(exported)
    keep(place, exported.getvalue())
    return network


def cache_file(path: Path, settings: dict[str, Any]) -> Path:
    """Where the network of a file is kept, compiled with some settings."""
    told = "-".join(f"{name.lower()}={value}" for name, value in sorted(settings.items()))
    name = hashlib.sha256(f"{sha256(path)} {told}".encode()).hexdigest()[:16]
    return user_cache_path("dinoseg") / f"{name}.openvino"


def read(place: Path) -> bytes | None:
    """What was kept; None where nothing was, or it is damaged."""
    try:
        with open_regular(place) as file:
            checksum, content = file.read(CHECKSUM), file.read()
    except (OSError, DinosegError):
        return None
    return content if hashlib.sha256(content).digest() == checksum else None


def keep(place: Path, content: bytes) -> None:
    """Keep it, if the system lets us: nobody waits for it."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(place) as file:
            file.write(hashlib.sha256(content).digest() + content)
    except (OSError, DinosegError) as error:
        log.debug("the compiled network is not kept: %s", error)
