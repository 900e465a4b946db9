"""What a run leaves behind, and which folder it may use."""

from __future__ import annotations

import io
import json
import math
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from dinoseg.atomic import atomic_write, open_append
from dinoseg.errors import OutputConflict
from dinoseg.files import parsed, read_back
from dinoseg.options import TrainOptions, identity
from dinoseg.places import check_folder
from dinoseg.runs.identity import refuse_other_run
from dinoseg.runs.journal import read_journal, rewrite_journal
from dinoseg.training.cache import Photographs
from dinoseg.training.checkpoint import Checkpoints
from dinoseg.types import Failure
from dinoseg.version import __version__

CLEARED = {"cleared": True}
"""Record of a folder from which an earlier run is being removed."""
RECORDED = ("options", "photographs", "versions")
STRIP = re.compile(r"epoch-\d{5,}\.png")


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
        check_folder(self.path)
        if self.options.resume and not there:
            raise OutputConflict(f"{self.path} holds no run to go on with: leave out --resume, or name another folder.")
        if self.options.resume:
            self.begun()
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
        asked = identity(self.options) | {"warmup_epochs": self.options.warmup}
        facts = {"photographs": {"count": len(photographs), "sha256": photographs.digest}, **facts}
        if self.options.resume:
            self.compare({**asked, **facts})
            self.non_finite.unlink(missing_ok=True)
        else:
            self.clear()
            versions = {"dinoseg": __version__, "torch": torch.__version__}
            self.write_json(self.record, {"options": asked, **facts, "versions": versions})
        self.list_broken(photographs.failed)

    def list_broken(self, failed: Iterable[Failure]) -> None:
        """Write ``broken.jsonl``: id, reason and error of each photograph that cannot be read."""
        listed = [{"id": failure.id, "reason": failure.reason, "error": str(failure.error)} for failure in failed]
        self.write_lines(self.broken, map(json.dumps, listed))

    def begun(self) -> dict[str, Any]:
        """What ``run.json`` says the run was begun with. Raises ``OutputConflict`` where it does not say it."""
        record = read_back(self.record)
        if record == CLEARED:
            raise OutputConflict(f"{self.path} was being emptied for another run: start that with --overwrite.")
        if not isinstance(record, dict) or any(not isinstance(record.get(key), dict) for key in RECORDED):
            raise OutputConflict(f"{self.record} is damaged: put it back, or start again with --overwrite.")
        return record

    def compare(self, now: Mapping[str, Any]) -> None:
        """Raise ``OutputConflict`` unless ``now`` is what the folder's run was begun with."""
        record = self.begun()
        before = {**record["options"], **record}
        learned = f"; --init {shlex.quote(str(self.model))} begins there with what this run has learned"
        remedy = f"resume with the same, or start again in another folder{learned if self.model.exists() else ''}."
        refuse_other_run(self.path, {name: before.get(name) for name in now}, now, remedy)

    def clear(self) -> None:
        """Remove what an earlier run left, and nothing else.

        Its record says so before and stays until the new one takes its place: wherever this stops, the folder can be
        overwritten and none of the old run is taken for the new one's.
        """
        if self.record.exists():
            self.write_json(self.record, CLEARED)
        files = (self.metrics, self.broken, self.non_finite, self.model, self.teacher_cache, self.watched, self.report)
        strips = self.strips.iterdir() if self.strips.is_dir() else ()
        for path in (*files, *(path for path in strips if STRIP.fullmatch(path.name))):
            path.unlink(missing_ok=True)
        self.checkpoints.clear()

    def open_metrics(self, step: int) -> io.FileIO:
        """``metrics.jsonl`` to append to; lines of steps that will be done again are gone from it."""
        kept = [line for line in self.steps() if line["step"] < step]
        self.write_lines(self.metrics, map(json.dumps, kept))
        return open_append(self.metrics)

    def steps(self) -> list[dict[str, Any]]:
        """The whole lines of ``metrics.jsonl``, one for each step."""
        return read_journal(self.metrics, with_numbers("step", "epoch", "loss", "images_per_second"))

    def looks(self) -> list[dict[str, Any]]:
        """Lines of ``watch.jsonl`` whose strips may be there, or that have none."""
        looks = read_journal(self.watched, with_numbers("step", "epoch"))
        begin = f"{self.strips.name}/"
        return [
            look for look in looks if "strip" not in look or STRIP.fullmatch(str(look["strip"]).removeprefix(begin))
        ]

    def add_look(self, look: Mapping[str, Any], strip: Image.Image | None) -> None:
        """Keep what a look at the network after ``look["step"]`` steps showed; later ones are gone then."""
        if strip is not None:
            self.strips.mkdir(exist_ok=True)
            picture = io.BytesIO()  # written into a file, Pillow would not say what the system refused
            strip.save(picture, "PNG")
            with atomic_write(self.path / look["strip"]) as file:
                file.write(picture.getvalue())
        before = [line for line in self.looks() if line["step"] < look["step"]]
        self.write_lines(self.watched, map(json.dumps, [*before, look]))

    def mean_loss(self, steps: int) -> float:
        """Over the last ``steps`` steps, nats; NaN where nobody knows any more."""
        losses = [line["loss"] for line in self.steps()[-steps:]]
        return sum(losses) / len(losses) if losses else math.nan

    def write_lines(self, path: Path, lines: Iterable[str]) -> None:
        """A text file, whole or not at all."""
        rewrite_journal(path, (f"{line}\n".encode() for line in lines))

    def write_json(self, path: Path, value: Any) -> None:
        """One JSON document, whole or not at all."""
        self.write_lines(path, [json.dumps(value, indent=2)])


def with_numbers(*names: str) -> Callable[[bytes], dict[str, Any] | None]:
    """Reads a line of JSON: an object that holds a number under each of these names, or None."""

    def parse(line: bytes) -> dict[str, Any] | None:
        value = parsed(line)
        fine = isinstance(value, dict) and all(isinstance(value.get(name), int | float) for name in names)
        return value if fine else None

    return parse
