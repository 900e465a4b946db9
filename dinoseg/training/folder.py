"""What a run leaves behind, and which folder it may use."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import torch
from PIL import Image

from dinoseg import __version__
from dinoseg.atomic import atomic_write
from dinoseg.errors import OutputConflict
from dinoseg.options import TrainOptions
from dinoseg.training.cache import Photographs
from dinoseg.training.checkpoint import Checkpoints
from dinoseg.types import Failure

FREE = (
    *("output", "resume", "overwrite", "device", "cache", "save_every", "watch_every"),
    *("from_file", "max_broken"),  # the photographs themselves are compared
    *("batch", "accumulate"),  # and their number per step, in all processes together
)
"""Options that a resumed run may change: they do not decide what is learned."""


class RunFolder:
    """``run.json``, ``metrics.jsonl``, ``broken.jsonl``, ``checkpoints/``, ``model.safetensors``, ``watch.jsonl``,
    ``watch/`` and ``report.html`` of one run.

    Raises ``OutputConflict`` where they would mix with something else.
    """

    def __init__(self, options: TrainOptions) -> None:
        self.options, self.path = options, options.output
        self.record = self.path / "run.json"
        self.metrics = self.path / "metrics.jsonl"
        self.broken = self.path / "broken.jsonl"
        self.non_finite = self.path / "non_finite.json"
        self.model = self.path / "model.safetensors"
        self.teacher_cache = self.path / "teacher.cache"
        self.watched = self.path / "watch.jsonl"
        self.strips = self.path / "watch"
        self.report = self.path / "report.html"
        self.checkpoints = Checkpoints(self.path / "checkpoints")
        self.check()

    def check(self) -> None:
        """Refuse a folder that is in the way, before any photograph is read."""
        there = self.record.exists()
        if self.path.exists() and not self.path.is_dir():
            raise OutputConflict(f"{self.path} is a file: --output must name a folder.")
        if self.options.resume and not there:
            raise OutputConflict(f"{self.path} holds no run to go on with: leave out --resume, or name another folder.")
        if there and not (self.options.resume or self.options.overwrite):
            raise OutputConflict(
                f"{self.path} holds a run: pass --resume to go on with it, --overwrite to start again."
            )
        if not there and self.path.exists() and any(not path.name.startswith(".") for path in self.path.iterdir()):
            raise OutputConflict(f"{self.path} holds other files: name an empty or new folder with --output.")

    def begin(self, photographs: Photographs, facts: Mapping[str, Any]) -> None:
        """Write down what the run is; a resumed one must be the same. Raises ``OutputConflict`` if it is another.

        ``facts`` is what decides the result beside options and photographs.
        """
        decided = asdict(self.options) | {"warmup_epochs": self.options.warmup}
        asked = {name: value for name, value in decided.items() if name not in FREE}
        facts = {"photographs": {"count": len(photographs), "sha256": photographs.digest}, **facts}
        if self.options.resume:
            self.compare({**asked, **facts})
        else:
            self.clear()
            versions = {"dinoseg": __version__, "torch": torch.__version__}
            self.write_json(self.record, {"options": asked, **facts, "versions": versions})
        self.list_broken(photographs.failed)

    def list_broken(self, failed: Iterable[Failure]) -> None:
        """Write ``broken.jsonl``."""
        listed = [{"id": failure.id, "reason": failure.reason, "error": str(failure.error)} for failure in failed]
        self.write_lines(self.broken, map(json.dumps, listed))

    def compare(self, now: Mapping[str, Any]) -> None:
        """Raise ``OutputConflict`` unless ``now`` is what the folder's run was begun with."""
        record = json.loads(self.record.read_text(encoding="utf-8"))
        before = {**record["options"], **record}
        now = json.loads(json.dumps(now))
        other = [f"{name} was {before.get(name)}, now {now[name]}" for name in now if before.get(name) != now[name]]
        if other:
            learned = f"; --init {shlex.quote(str(self.model))} begins there with what this run has learned"
            raise OutputConflict(
                f"{self.path} was begun with other settings ({'; '.join(other)}): resume with the same, or start again "
                f"in another folder{learned if self.model.exists() else ''}."
            )

    def clear(self) -> None:
        """Remove what an earlier run left, and nothing else."""
        for path in (
            self.record,
            self.metrics,
            self.broken,
            self.non_finite,
            self.model,
            self.teacher_cache,
            self.watched,
            self.report,
            *self.strips.glob("epoch-*.png"),
        ):
            path.unlink(missing_ok=True)
        self.checkpoints.clear()

    def open_metrics(self, step: int) -> TextIO:
        """``metrics.jsonl`` to append to; lines of steps that will be done again are gone from it."""
        kept = [line for line in self.lines(self.metrics) if line["step"] < step]
        self.write_lines(self.metrics, map(json.dumps, kept))
        return self.metrics.open("a", encoding="utf-8", buffering=1)

    def lines(self, path: Path) -> list[dict[str, Any]]:
        """The whole lines of a file of JSON lines; none if it is not there."""
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]

    def add_look(self, look: Mapping[str, Any], strip: Image.Image) -> None:
        """Keep what a look at the network after ``look["step"]`` steps showed; later ones are gone then."""
        self.strips.mkdir(exist_ok=True)
        with atomic_write(self.path / look["strip"]) as file:
            strip.save(file, "PNG")
        before = [line for line in self.lines(self.watched) if line["step"] < look["step"]]
        self.write_lines(self.watched, map(json.dumps, [*before, look]))

    def mean_loss(self, steps: int) -> float:
        """Over the last ``steps`` steps, nats."""
        lines = self.metrics.read_text(encoding="utf-8").splitlines()[-steps:]
        return sum(json.loads(line)["loss"] for line in lines) / len(lines)

    def write_lines(self, path: Path, lines: Iterable[str]) -> None:
        """A text file, whole or not at all."""
        with atomic_write(path) as file:
            file.write("".join(f"{line}\n" for line in lines).encode())

    def write_json(self, path: Path, value: Any) -> None:
        """One JSON document, whole or not at all."""
        self.write_lines(path, [json.dumps(value, indent=2)])
