"""Checkpoints that are whole or not there.

A checkpoint is named by the number of steps done. It takes its name only when all of it is on the disk, and older ones
are removed after that: wherever the process stops, the newest complete one is there. No random state is in it: every
random number of a step is drawn from a generator seeded with the run's seed and the number of the step.
"""

from __future__ import annotations

import logging
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from dinoseg.atomic import atomic_write
from dinoseg.errors import TrainingError

log = logging.getLogger(__name__)
NEWEST = 2
"""Checkpoints that stay in any case, so that there is another one if the newest turns out damaged."""


class Checkpoints:
    """The folder of a run's checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, step: int) -> Path:
        """File of the checkpoint after ``step`` steps."""
        return self.folder / f"step-{step:08d}.pth"

    def steps(self) -> list[int]:
        """Steps of the checkpoints that are there, oldest first."""
        return sorted(int(path.stem.removeprefix("step-")) for path in self.folder.glob("step-*.pth"))

    def save(self, step: int, state: Mapping[str, Any], keep: Callable[[int], bool]) -> None:
        """Write one; remove those that are neither of the newest nor to ``keep``. Raises ``OSError`` (disk full)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.path(step)) as file:
            torch.save({"step": step, **state}, file)
        for old in self.steps()[:-NEWEST]:
            if not keep(old):
                self.path(old).unlink()
        self.remove_unfinished()

    def load(self) -> dict[str, Any] | None:
        """The newest one that can be read, on the CPU; None if there was never one.

        Raises ``TrainingError`` if all are damaged.
        """
        for step in reversed(self.steps()):
            try:
                check_whole(self.path(step))
                return torch.load(self.path(step), map_location="cpu", weights_only=True)
            except (RuntimeError, EOFError, OSError, zipfile.BadZipFile, pickle.UnpicklingError, KeyError) as error:
                log.warning("%s is damaged (%s): the one before is used.", self.path(step), str(error).split("\n")[0])
        if self.steps():
            raise TrainingError(f"No checkpoint in {self.folder} can be read: start again with --overwrite.")
        return None

    def clear(self) -> None:
        """Remove all of them."""
        for step in self.steps():
            self.path(step).unlink()
        self.remove_unfinished()

    def remove_unfinished(self) -> None:
        """Remove what a killed process left half written."""
        for path in self.folder.glob(".*.tmp"):
            path.unlink()


def check_whole(path: Path) -> None:
    """Raise ``BadZipFile`` if the content is not what was written: ``torch.load`` does not look at its checksums."""
    with zipfile.ZipFile(path) as archive:
        member = archive.testzip()
    if member is not None:
        raise zipfile.BadZipFile(f"checksum of {member} is wrong")
