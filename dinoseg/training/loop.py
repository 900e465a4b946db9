"""A training run: photographs in, a network out, and nothing lost on the way."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from dinoseg.atomic import locked
from dinoseg.backbone.export import metadata_of, save_backbone
from dinoseg.backbone.zoo import choose_device
from dinoseg.errors import NonFiniteLoss, OptionError, TrainingError
from dinoseg.images.feed import read_ahead
from dinoseg.options import TrainOptions
from dinoseg.training.cache import SHORT_SIDE, PhotoCache, load_photos, place
from dinoseg.training.distil import Distillation
from dinoseg.training.folder import RunFolder
from dinoseg.training.interrupt import Interrupt
from dinoseg.training.learner import Batch, Learner, Shown
from dinoseg.training.recipe import DINO
from dinoseg.training.schedules import Schedules, Settings
from dinoseg.training.seeds import DROP_PATH, ORDER, VIEWS, WEIGHTS, seed_of
from dinoseg.training.start import Start
from dinoseg.training.teacher_cache import RecordShape, TeacherCache
from dinoseg.types import Failure

log = logging.getLogger(__name__)
COLLAPSED = 0.01
"""A teacher whose entropy is this near to one of its ends (as a share of ln K) says the same of every photograph."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainReport:
    """How a run ended."""

    model: Path
    """The teacher's backbone, for ``--model``."""
    steps: int
    loss: float
    """Mean over the last epoch, nats."""
    photographs: int
    failed: tuple[Failure, ...]
    """Photographs that could not be read."""


def run_training(images: str | Path | Sequence[str | Path], options: TrainOptions) -> TrainReport:
    """Train a Vision Transformer on photographs (files, folders, globs) without labels, into ``options.output``.

    Stopped by Ctrl-C, SIGTERM or anything worse, it goes on with ``resume=True`` and ends as if it had not been
    stopped (bit for bit on a CPU). Raises ``UsageError`` before the first step, ``TrainingError`` for too many broken
    photographs or too little memory, ``NonFiniteLoss``, and ``KeyboardInterrupt`` when it was stopped and has saved.
    """
    device = choose_device(options.device)
    folder = RunFolder(options)
    start = Start.read(options)
    short_side = round(SHORT_SIDE * start.crop(options))
    paths = [images] if isinstance(images, str | Path) else images
    cache, broken = load_photos(paths, short_side, exclude=options.output)
    if len(cache) < options.batch:
        raise OptionError(
            f"--batch {options.batch} is out of range: there are {len(cache)} photographs, and a step takes a full "
            "batch of them (what is left at the end of an epoch is dropped)."
        )
    folder.path.mkdir(parents=True, exist_ok=True)
    devices = [device] if device.type == "cuda" else []
    try:
        with locked(folder.path), torch.random.fork_rng(devices):
            folder.begin(cache, broken, start.facts)
            trainer = Trainer(options, start, place(cache, device, options.cache), folder, device)
            trainer.run()
    except torch.OutOfMemoryError as error:
        raise TrainingError(f"The device's memory is too small for --batch {options.batch}: halve it.") from error
    return TrainReport(
        model=folder.model,
        steps=trainer.schedules.steps,
        loss=folder.mean_loss(trainer.schedules.steps_per_epoch),
        photographs=len(cache),
        failed=tuple(broken),
    )


class Trainer:
    """Carries a ``Learner`` through all steps, from the start or from the newest checkpoint."""

    def __init__(
        self, options: TrainOptions, start: Start, cache: PhotoCache, folder: RunFolder, device: torch.device
    ) -> None:
        self.options, self.cache, self.folder, self.device = options, cache, folder, device
        self.schedules = Schedules(options, len(cache) // options.batch)
        torch.manual_seed(seed_of(options.seed, WEIGHTS))
        self.learner = self.new_learner(start)
        self.saved = 0
        """Steps that the newest checkpoint holds."""
        if options.resume:
            self.resume()

    def new_learner(self, start: Start) -> Learner:
        """What learns, at its start."""
        if start.teacher is None:
            return DINO(self.options, self.device)
        cache = None
        if self.options.teacher_cache:
            shape = RecordShape.of(start.teacher.spec, self.options.global_size // start.spec.patch)
            sizes = (len(self.cache), self.options.teacher_cache, self.options.epochs)
            cache = TeacherCache(self.folder.teacher_cache, shape, *sizes)
        return Distillation(self.options, start.teacher, self.device, cache)

    def resume(self) -> None:
        """Take up the newest checkpoint; a run that was stopped before its first one starts at its beginning."""
        state = self.folder.checkpoints.load(self.device)
        if state is None:
            log.warning("%s holds no checkpoint yet: the run starts at its beginning.", self.folder.path)
            return
        self.learner.load(state)
        self.saved = state["step"]

    def run(self) -> None:
        """All steps that are left.

        Raises ``NonFiniteLoss``; ``KeyboardInterrupt`` after Ctrl-C or SIGTERM, with everything saved; ``OSError`` if
        the disk is full, with the last checkpoint as it was.
        """
        entropies: list[float] = []
        with Interrupt() as interrupt, self.folder.open_metrics(self.saved) as metrics, self.bar() as bar:
            started = time.perf_counter()
            for step, (pixels, sizes) in enumerate(self.batches(), start=self.saved):
                measures = self.step(step, pixels, sizes)
                metrics.write(self.line(step, measures, time.perf_counter() - started))
                bar.set_postfix(loss=f"{measures.loss:.3f}", refresh=False)
                bar.update()
                entropies.append(measures.teacher_entropy)
                done = step + 1
                epoch_ends = done % self.schedules.steps_per_epoch == 0
                if epoch_ends or interrupt.asked:
                    self.save(done)
                if epoch_ends:
                    self.watch(done, entropies)
                    entropies = []
                if interrupt.asked and done < self.schedules.steps:
                    raise KeyboardInterrupt(f"stopped after step {done}; --resume goes on from there")
                started = time.perf_counter()

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels and sizes of the steps that are left; read ahead where they must travel to the device first."""
        steps = range(self.saved, self.schedules.steps)
        if self.cache.device.type == self.device.type:
            return map(self.cache.batch, map(self.chosen, steps))
        return read_ahead(map(self.chosen, steps), self.cache.batch, workers=1, ahead=2)

    def chosen(self, step: int) -> Tensor:
        """Indices ``(B,)`` of the photographs of a step; an epoch drops what does not fill its last batch."""
        epoch, position = divmod(step, self.schedules.steps_per_epoch)
        order = shuffled(len(self.cache), seed_of(self.options.seed, ORDER, epoch))
        return order[position * self.options.batch : (position + 1) * self.options.batch]

    def step(self, step: int, pixels: Tensor, sizes: Tensor) -> Shown:
        """Augment and learn; what is random is a function of the seed and the step alone."""
        settings = self.schedules.at(step)
        generator = torch.Generator().manual_seed(seed_of(self.options.seed, VIEWS, step))
        torch.manual_seed(seed_of(self.options.seed, DROP_PATH, step))
        batch = Batch(pixels.to(self.device), sizes, self.chosen(step), step // self.schedules.steps_per_epoch)
        measures = self.learner.step(settings, *self.learner.prepare(batch, generator))
        if not math.isfinite(measures.loss):
            raise self.non_finite(step, settings, measures.loss)
        return measures

    def non_finite(self, step: int, settings: Settings, loss: float) -> NonFiniteLoss:
        """The error for a loss that is no number; what went into the step is written down."""
        ids = [self.cache.ids[index] for index in self.chosen(step).tolist()]
        self.folder.write_json(self.folder.non_finite, {"step": step, **asdict(settings), "photographs": ids})
        kept = self.folder.checkpoints.path(self.saved) if self.saved else "none yet"
        return NonFiniteLoss(
            f"The loss became {loss} at step {step} (learning rate {settings.lr:.3g}); {self.folder.non_finite} says "
            f"what went in. Last good checkpoint: {kept}. Start again with a smaller --lr or --clip, or with --amp off."
        )

    def line(self, step: int, measures: Shown, seconds: float) -> str:
        """One line of ``metrics.jsonl``."""
        settings = self.schedules.at(step)
        values = {
            "step": step,
            "epoch": step // self.schedules.steps_per_epoch,
            **measures.values(),
            **asdict(settings),
            "images_per_second": round(self.options.batch / seconds, 2),
        }
        return json.dumps(values) + "\n"

    def save(self, done: int) -> None:
        """Checkpoint after ``done`` steps, and the teacher's backbone as a file of its own.

        The model is written first: whatever stops the process in between is done again from the checkpoint before.
        """
        every = self.options.save_every * self.schedules.steps_per_epoch
        backbone = self.learner.model
        state = {**self.learner.state(), "dinoseg_metadata": metadata_of(backbone.spec)}
        save_backbone(backbone, self.folder.model, store="float32")
        self.folder.checkpoints.save(done, state, keep=lambda step: step % every == 0)
        self.saved = done

    def watch(self, done: int, entropies: Sequence[float]) -> None:
        """Warn after an epoch in which the teacher said the same of every photograph; warming up may look like it."""
        share = sum(entropies) / len(entropies) / math.log(self.options.prototypes)
        collapsed = share < COLLAPSED or share > 1 - COLLAPSED
        if collapsed and done > self.options.warmup_epochs * self.schedules.steps_per_epoch:
            end = "one prototype for all photographs" if share < COLLAPSED else "all prototypes alike"
            log.warning(
                "The teacher has collapsed (step %d: entropy %.3f of ln K, %s): try another --lr, --teacher-temp or "
                "--momentum.",
                done,
                share,
                end,
            )

    def bar(self) -> Any:
        """Progress on a terminal."""
        return tqdm(total=self.schedules.steps, initial=self.saved, desc="train", unit="step", disable=None)


@lru_cache(maxsize=1)
def shuffled(count: int, seed: int) -> Tensor:
    """``0 .. count - 1`` in the order of a seed."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
