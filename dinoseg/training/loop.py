"""A training run: photographs in, a network out, and nothing lost on the way."""

from __future__ import annotations

import io
import json
import logging
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dinoseg.atomic import append
from dinoseg.backbone.export import all_finite, metadata_of, save_backbone
from dinoseg.backbone.memory import on_device, out_of_memory
from dinoseg.backbone.precision import own_precision
from dinoseg.backbone.spec import BackboneSpec
from dinoseg.errors import NonFiniteLoss, OptionError, OutOfMemory, TrainingError
from dinoseg.options import TrainOptions
from dinoseg.places import claimed
from dinoseg.runs.progress import progress_bar
from dinoseg.training.cache import SHORT_SIDE, Photographs
from dinoseg.training.distil import Distillation
from dinoseg.training.feeds import open_photographs
from dinoseg.training.folder import RunFolder
from dinoseg.training.interrupt import Interrupt
from dinoseg.training.learner import Batch, Learner, Measures
from dinoseg.training.observer import Observer
from dinoseg.training.recipe import DINO
from dinoseg.training.schedules import Schedules
from dinoseg.training.seeds import DROP_PATH, ORDER, VIEWS, WEIGHTS, seed_of
from dinoseg.training.start import Start
from dinoseg.training.teacher_cache import RecordShape, TeacherCache
from dinoseg.training.team import Team, assembled
from dinoseg.types import Failure

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class TrainReport:
    """What a training run made: the model file, its steps, and the last loss."""

    model: Path
    """The teacher's backbone, for ``--model``."""
    steps: int
    loss: float
    """Mean over the last epoch, nats."""
    photographs: int
    failed: tuple[Failure, ...]
    """Photographs that could not be read."""
    first: bool = True
    """Whether this process is the one of several that speaks."""


@own_precision()
def run_training(images: str | Path | Sequence[str | Path], options: TrainOptions) -> TrainReport:
    """Train a Vision Transformer on photographs (files, folders, globs) without labels, into ``options.output``.

    Stopped by Ctrl-C, SIGTERM or anything worse, it goes on with ``resume=True`` and ends as if it had not been
    stopped: on a CPU every file is the same bit for bit, but for the speeds in two of them. Raises ``UsageError``
    before the first step, ``TrainingError`` for too many broken photographs or too little memory, ``NonFiniteLoss``,
    and ``KeyboardInterrupt`` when it was stopped and has saved.
    """
    with assembled(options.device) as (team, device):
        return train_together([images] if isinstance(images, str | Path) else images, options, team, device)


def train_together(
    images: Sequence[str | Path], options: TrainOptions, team: Team, device: torch.device
) -> TrainReport:
    """``run_training`` as one of a team."""
    folder = team.from_first(lambda: RunFolder(options))
    start = Start.read(options)
    check_team(options, team, start.spec)
    photographs = open_photographs(images, options, round(SHORT_SIDE * start.crop(options)), device, team)
    check_photographs(photographs, images, options, team)
    devices = [device] if device.type == "cuda" else []
    told = (
        f"The device's memory is too small for --batch {options.batch}: halve it, and double --accumulate for the same "
        "result."
    )
    try:
        lock = claimed(folder.path) if team.first else nullcontext()
        with lock, on_device(device, told), torch.random.fork_rng(devices):
            facts = {**start.facts, "photographs_per_step": options.step_batch * team.size}
            team.from_first(lambda: folder.begin(photographs, facts))
            trainer = Trainer(options, start, photographs, folder, device, team)
            trainer.run(Observer(images, options, folder, trainer.schedules.steps_per_epoch) if team.first else None)
    except OutOfMemory as error:
        raise TrainingError(str(error)) from error
    return TrainReport(
        model=folder.model,
        steps=trainer.schedules.steps,
        loss=team.from_first(lambda: folder.mean_loss(trainer.schedules.steps_per_epoch)),
        photographs=len(photographs),
        failed=tuple(photographs.failed),
        first=team.first,
    )


def check_team(options: TrainOptions, team: Team, spec: BackboneSpec) -> None:
    """Raise ``OptionError`` for what one process has to do alone."""
    if spec.architecture and team.size > 1:
        raise OptionError(
            f"{spec.architecture} trains in one process, whose batch its norms see: start without torchrun."
        )
    if options.distil_from is not None and team.size > 1:
        raise OptionError("--distil-from trains in one process: start it without torchrun.")


def check_photographs(
    photographs: Photographs, images: Sequence[str | Path], options: TrainOptions, team: Team
) -> None:
    """Raise ``OptionError`` for too few of them, ``TrainingError`` where processes see different ones."""
    batch = options.step_batch * team.size
    if not len(photographs):
        named = ", ".join(map(str, images[:3])) + (" ..." if len(images) > 3 else "") or options.from_file
        raise OptionError(f"there is no photograph in {named}: name a folder, file or glob with some.")
    if len(photographs) < batch:
        raise OptionError(
            f"--batch {options.batch} is out of range: there are {len(photographs)} photographs, and a step takes "
            f"{batch} of them (what is left at the end of an epoch is dropped)."
        )
    digests = team.gather(photographs.digest)
    if digests[team.rank] != digests[0]:
        raise TrainingError(f"Process {team.rank} reads other photographs than process 0: give all the same files.")


class Trainer:
    """Carries a ``Learner`` through all steps, from the start or from the newest checkpoint."""

    def __init__(
        self,
        options: TrainOptions,
        start: Start,
        photographs: Photographs,
        folder: RunFolder,
        device: torch.device,
        team: Team,
    ) -> None:
        self.options, self.photographs, self.folder = options, photographs, folder
        self.device, self.team = device, team
        self.batch = options.step_batch * team.size
        """Photographs of a step, in all processes together."""
        self.schedules = Schedules(options, len(photographs) // self.batch, self.batch)
        torch.manual_seed(seed_of(options.seed, WEIGHTS))
        self.learner = self.new_learner(start)
        self.saved = 0
        """Steps that the newest checkpoint holds."""
        if options.resume:
            self.resume()

    def new_learner(self, start: Start) -> Learner:
        """What learns, at its start."""
        if start.teacher is None:
            return DINO(self.options, self.device, self.team)
        cache = None
        if self.options.teacher_cache:
            shape = RecordShape.of(start.teacher.spec, self.options.global_size // start.spec.patch)
            sizes = (len(self.photographs), self.options.teacher_cache, self.options.epochs)
            cache = TeacherCache(self.folder.teacher_cache, shape, *sizes)
        return Distillation(self.options, start.teacher, self.device, cache)

    def resume(self) -> None:
        """Take up the newest checkpoint; a run that was stopped before its first one starts at its beginning."""
        state = self.team.from_first(self.folder.checkpoints.load)
        if state is None:
            if self.team.first:
                log.warning("%s holds no checkpoint yet: the run starts at its beginning.", self.folder.path)
            return
        try:
            self.learner.load(state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            if out_of_memory(error):
                raise
            file = self.folder.checkpoints.path(state["step"])
            raise TrainingError(
                f"{file} is not of this run: remove it, and --resume goes on from the one before."
            ) from error
        self.saved = state["step"]

    def run(self, observer: Observer | None) -> None:
        """All steps that are left; only the first process has an observer.

        Raises ``NonFiniteLoss``; ``KeyboardInterrupt`` after Ctrl-C or SIGTERM, with everything saved; ``OSError`` if
        the disk is full, with the last checkpoint as it was.
        """
        if observer:
            observer.begin(self.saved, self.learner.model)
        steps = range(self.saved, self.schedules.steps)
        with Interrupt() as interrupt, self.open_metrics() as metrics, self.bar() as bar:
            started = time.perf_counter()
            for step, measures in zip(steps, self.learned(steps, interrupt), strict=True):
                seconds = time.perf_counter() - started
                append(metrics, self.line(step, measures, seconds))
                bar.set_postfix(self.told(measures, seconds), refresh=False)
                bar.update()
                if observer:
                    observer.add(measures.values)
                done = step + 1
                epoch, within = divmod(done, self.schedules.steps_per_epoch)
                whole = bool(within) or self.end_epoch(epoch, observer, interrupt)
                asked = self.team.any(interrupt.asked)
                if not within or asked:
                    self.save(done)
                if asked and (done < self.schedules.steps or not whole):
                    raise KeyboardInterrupt(f"stopped after step {done}; --resume goes on from there")
                started = time.perf_counter()
        if observer:
            observer.end()
            self.folder.teacher_cache.unlink(missing_ok=True)

    def end_epoch(self, epoch: int, observer: Observer | None, interrupt: Interrupt) -> bool:
        """Evaluate the network where that is due; False if a signal came first: the resumed run does it then."""
        if not observer:
            return True
        observer.end_epoch(epoch)
        if observer.due(epoch):
            try:
                with interrupt.at_once():
                    observer.look(epoch, self.learner.model)
            except KeyboardInterrupt:
                interrupt.asked = True
                return False
        return True

    def open_metrics(self) -> io.FileIO:
        """``metrics.jsonl``, or nothing in processes that write nothing."""
        return self.folder.open_metrics(self.saved) if self.team.first else io.FileIO(os.devnull, "a")

    def told(self, measures: Measures, seconds: float) -> dict[str, str]:
        """What stands behind the bar."""
        speed = {"images/s": f"{self.batch / seconds:.3g}"}
        return speed | {name.replace("_", " "): f"{value:.3f}" for name, value in measures.values.items()}

    def chosen(self, step: int) -> Tensor:
        """Indices ``(B,)`` of the photographs of a step; an epoch drops what does not fill its last batch."""
        epoch, position = divmod(step, self.schedules.steps_per_epoch)
        order = shuffled(len(self.photographs), seed_of(self.options.seed, ORDER, epoch))
        return order[position * self.batch : (position + 1) * self.batch]

    @property
    def share(self) -> slice:
        """This process's part of a step's photographs."""
        return slice(self.team.rank * self.options.step_batch, (self.team.rank + 1) * self.options.step_batch)

    def own(self, step: int) -> Tensor:
        """Indices of this process's photographs of a step."""
        return self.chosen(step)[self.share]

    def learned(self, steps: range, interrupt: Interrupt) -> Iterator[Measures]:
        """What each step showed. While the device computes one, the next one's views are put behind it.

        Raises ``NonFiniteLoss``; an error in making the next views is raised after the present step was given.
        """
        prepared = map(self.prepare, steps, self.photographs.batches(steps, self.own))
        with interrupt.at_once():
            following: tuple[Any, ...] = next(prepared, ())
        for step in steps:
            measures = self.step(step, *following)
            try:
                if step + 1 in steps:
                    with interrupt.at_once():
                        following = next(prepared)
            except (Exception, KeyboardInterrupt):  # this step is learned all the same
                yield self.finite(step, measures)
                raise
            yield self.finite(step, measures)

    def prepare(self, step: int, pixels: Tensor) -> tuple[Any, ...]:
        """Augment; what is random is a function of the seed and the step alone."""
        generator = torch.Generator().manual_seed(seed_of(self.options.seed, VIEWS, step))
        indices, epoch = self.chosen(step), step // self.schedules.steps_per_epoch
        batch = Batch(pixels.to(self.device), self.photographs.sizes[indices], indices, epoch, self.share)
        return self.learner.prepare(batch, generator)

    def step(self, step: int, *prepared: Any) -> Measures:
        """Learn; what is random is a function of the seed and the step alone."""
        torch.manual_seed(seed_of(self.options.seed, DROP_PATH, step, self.team.rank))
        return self.learner.step(self.schedules.at(step), *prepared)

    def finite(self, step: int, measures: Measures) -> Measures:
        """What a step showed. Raises ``NonFiniteLoss``."""
        if not math.isfinite(measures.loss):
            raise self.non_finite(step, f"The loss became {measures.loss}")
        return measures

    def non_finite(self, step: int, told: str) -> NonFiniteLoss:
        """The error for what is no number after a step; what went into the step is written down."""
        settings = self.schedules.at(step)
        ids = [self.photographs.ids[index] for index in self.chosen(step).tolist()]
        if self.team.first:
            self.folder.write_json(self.folder.non_finite, {"step": step, **asdict(settings), "photographs": ids})
        kept = self.folder.checkpoints.path(self.saved) if self.saved else "none yet"
        return NonFiniteLoss(
            f"{told} at step {step} (learning rate {settings.lr:.3g}); {self.folder.non_finite} says "
            f"what went in. Last good checkpoint: {kept}. Start again with a smaller --lr or --clip, or with --amp off."
        )

    def line(self, step: int, measures: Measures, seconds: float) -> bytes:
        """One line of ``metrics.jsonl``."""
        settings = self.schedules.at(step)
        values = {
            "step": step,
            "epoch": step // self.schedules.steps_per_epoch,
            **measures.values,
            **asdict(settings),
            "images_per_second": round(self.batch / seconds, 2),
        }
        return json.dumps(values).encode() + b"\n"

    def save(self, done: int) -> None:
        """Checkpoint after ``done`` steps, and the teacher's backbone as a file of its own.

        The model is written first: whatever stops the process in between is done again from the checkpoint before.
        Raises ``NonFiniteLoss`` for weights that the last step spoiled.
        """
        if not all_finite(self.learner.model.parameters()):
            raise self.non_finite(done - 1, "Weights became NaN or infinite")
        failed = {failure.id: failure for part in self.team.gather(self.photographs.failed) for failure in part}
        if self.team.first:
            backbone = self.learner.model
            state = {**self.learner.state(), "dinoseg_metadata": metadata_of(backbone.spec)}
            self.folder.list_broken(failed.values())
            save_backbone(backbone, self.folder.model, store="float32")
            sizes = {"epoch": self.schedules.steps_per_epoch, "every": self.options.save_every}
            self.folder.checkpoints.save(done, state, **sizes)
        self.saved = done

    def bar(self) -> Any:
        """The bar of this run, on one of several processes only."""
        total = self.schedules.steps
        return progress_bar("train", unit="step", total=total, done=self.saved, here=self.team.first)


@lru_cache(maxsize=2)  # the feed is ahead: its epoch may be the next one
def shuffled(count: int, seed: int) -> Tensor:
    """``0 .. count - 1`` in the order of a seed."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
