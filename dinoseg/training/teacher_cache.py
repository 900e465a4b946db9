"""What a frozen teacher saw, on disk: float16 records of one size in one file, each with its checksum.

A record is written once and never changed. One that a crash left torn fails its checksum and counts as absent; so does
one that was never written, since a sparse file reads as zeros there. A run that is resumed therefore reads what it
would have computed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinoseg.atomic import naming
from dinoseg.backbone.features import Features
from dinoseg.backbone.spec import BackboneSpec
from dinoseg.errors import OptionError

CHECKSUM = 4
"""Bytes."""
GIB = 2**30


@dataclass(frozen=True, slots=True)
class RecordShape:
    """The sizes of one crop's outputs."""

    grid: int
    """Patches per side."""
    width: int
    heads: int
    family: str
    patch: int

    @classmethod
    def of(cls, teacher: BackboneSpec, grid: int) -> RecordShape:
        """For crops of ``grid`` patches a side."""
        return cls(grid, teacher.width, teacher.heads, teacher.family, teacher.patch)

    @property
    def parts(self) -> tuple[int, int, int]:
        """Numbers of patch tokens, of CLS and of attention."""
        return self.grid**2 * self.width, self.width, self.heads * self.grid**2

    @property
    def nbytes(self) -> int:
        """Of one record on disk."""
        return 2 * sum(self.parts) + CHECKSUM

    def pack(self, seen: Features) -> NDArray[np.float16]:
        """Features of a batch as rows ``(B, n)``."""
        assert seen.attention is not None
        assert seen.cls is not None
        parts = (seen.facets["token"], seen.cls, seen.attention)
        return torch.cat([part.flatten(1) for part in parts], dim=1).half().cpu().numpy()

    def unpack(self, rows: NDArray[np.float16], device: torch.device) -> Features:
        """Features of rows ``(B, n)``, float32."""
        tokens, cls, attention = torch.from_numpy(rows).to(device).float().split(self.parts, dim=1)
        grid = (self.grid, self.grid)
        token = tokens.unflatten(1, (*grid, self.width))  # (B, g, g, d)
        return Features(
            attention.unflatten(1, (self.heads, *grid)), self.family, self.patch, {"token": token}, cls
        )  # attention (B, heads, g, g)


class TeacherCache:
    """Records of ``rounds`` fixed crops of each photograph, in one file of a run's folder."""

    def __init__(self, path: Path, shape: RecordShape, photographs: int, gib: float, epochs: int) -> None:
        """As many rounds as ``gib`` holds, at most one an epoch. Raises ``OptionError`` if it does not hold one."""
        self.path, self.shape, self.photographs = path, shape, photographs
        self.rounds = min(epochs, int(gib * GIB / (shape.nbytes * photographs)))
        if not self.rounds:
            raise OptionError(
                f"--teacher-cache {gib:g} is too small: one crop of each of {photographs} photographs takes "
                f"{shape.nbytes * photographs / GIB:.2g} GiB; give more, or leave it out."
            )

    def slots(self, indices: Tensor, epoch: int) -> list[int]:
        """Numbers of the crops of these photographs in an epoch."""
        return [epoch % self.rounds * self.photographs + index for index in indices.tolist()]

    def read(self, slots: list[int]) -> list[NDArray[np.float16] | None]:
        """The records that are there and whole, ``(n,)`` each."""
        if not self.path.exists():
            return [None] * len(slots)
        with self.path.open("rb") as file:
            found = []
            for slot in slots:
                file.seek(slot * self.shape.nbytes)
                found.append(unchecked(file.read(self.shape.nbytes), self.shape.nbytes))
        return found

    def write(self, slots: list[int], rows: NDArray[np.float16]) -> None:
        """Add records. Raises ``OSError`` if the disk is full."""
        with naming(self.path), self.path.open("r+b" if self.path.exists() else "w+b") as file:
            for slot, row in zip(slots, rows, strict=True):
                file.seek(slot * self.shape.nbytes)
                file.write(checked(row))


def checked(row: NDArray[np.float16]) -> bytes:
    """A record as it is stored."""
    content = row.tobytes()
    return content + zlib.crc32(content).to_bytes(CHECKSUM, "little")


def unchecked(stored: bytes, nbytes: int) -> NDArray[np.float16] | None:
    """What is stored, None if it is not whole."""
    content, checksum = stored[:-CHECKSUM], stored[-CHECKSUM:]
    whole = len(stored) == nbytes and zlib.crc32(content).to_bytes(CHECKSUM, "little") == checksum
    return np.frombuffer(content, np.float16) if whole else None
