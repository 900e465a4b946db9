"""Checkpoints that are whole or not there.

A checkpoint is named by the number of steps done. It takes its name only when all of it is on the disk, and older ones
are removed after that: wherever the process stops, the newest complete one is there. No random state is in it: every
random number of a step is drawn from a generator seeded with the run's seed and the number of the step.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dinoseg.backbone.states import load_state, save_state
from dinoseg.errors import CorruptWeights, TrainingError

log = logging.getLogger(__name__)
NAME = re.compile(r"step-(\d{8,})\.pth")
NEWEST = 2
"""Ends of epochs that stay in any case, so that there is another one if the newest turns out damaged."""


class Checkpoints:
    """The folder of a run's checkpoints; other files in it are left alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, step: int) -> Path:
        """File of the checkpoint after ``step`` steps."""
        return self.folder / f"step-{step:08d}.pth"

    def steps(self) -> list[int]:
        """Steps of the checkpoints that are there, oldest first."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return sorted(int(found[1]) for found in map(NAME.fullmatch, names) if found)

    def save(self, step: int, state: Mapping[str, Any], *, epoch: int, every: int) -> None:
        """Write one. Of the older ones stay the newest that end an epoch of ``epoch`` steps, and of those each
        ``every``-th for good: one within an epoch is there only until the next is. Raises ``OSError`` (disk full).
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        save_state(self.path(step), {"step": step, **state})
        steps = self.steps()
        newest = [old for old in steps if old % epoch == 0][-NEWEST:]
        for old in steps:
            if old not in (step, *newest) and old % (every * epoch):
                self.path(old).unlink()

    def load(self) -> dict[str, Any] | None:
        """The newest one that can be read, on the CPU; None if there was never one.

        Raises ``TrainingError`` if all are damaged.
        """
        for step in reversed(self.steps()):
            try:
                state = load_state(self.path(step))
            except CorruptWeights as error:
                log.warning("%s: the one before is used.", error)
                continue
            if state.get("step") == step:
                return state
            log.warning("%s is not the checkpoint of that step: the one before is used.", self.path(step))
        if self.steps():
            raise TrainingError(f"No checkpoint in {self.folder} can be read: start again with --overwrite.")
        return None

    def clear(self) -> None:
        """Remove all checkpoints of the folder."""
        for step in self.steps():
            self.path(step).unlink()
