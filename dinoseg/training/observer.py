"""Seeing a run learn: warnings, looks at the network every few epochs, and a report of all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dinoseg.backbone.vit import Backbone
from dinoseg.images.find import find
from dinoseg.options import InputOptions, TrainOptions
from dinoseg.training.folder import RunFolder
from dinoseg.training.monitor import Monitor
from dinoseg.training.report import History, write_report
from dinoseg.training.watch import Watch
from dinoseg.types import Source


class Observer:
    """Looks on and changes nothing: a run ends with the same network whether it is watched or not."""

    def __init__(
        self, images: Sequence[str | Path], options: TrainOptions, folder: RunFolder, steps_per_epoch: int
    ) -> None:
        self.images, self.options, self.folder, self.steps_per_epoch = images, options, folder, steps_per_epoch
        self.monitor = Monitor(options)
        self.watch = self.choose() if options.watch_every else None

    def choose(self) -> Watch:
        """The pictures that are looked at."""
        listing = find(self.images, InputOptions(from_file=self.options.from_file), exclude=self.options.output)
        sources = [found for found in listing if isinstance(found, Source)]
        return Watch.of(sources, self.options.global_size, self.options.batch)

    def begin(self, backbone: Backbone) -> None:
        """Look at a network that has learned nothing here."""
        if self.watch:
            self.look(self.watch, backbone, 0)

    def add(self, values: Mapping[str, float]) -> None:
        """What a step showed."""
        self.monitor.add(values)

    def end_epoch(self, epoch: int, backbone: Backbone) -> None:
        """After an epoch (from 1), before its checkpoint is written: whoever resumes that has its look as well."""
        self.monitor.end_epoch(epoch)
        if self.watch and (epoch % self.options.watch_every == 0 or epoch == self.options.epochs):
            self.look(self.watch, backbone, epoch)
            self.report()

    def look(self, watch: Watch, backbone: Backbone, epoch: int) -> None:
        """A line of ``watch.jsonl`` and a strip of attention."""
        strip = f"{self.folder.strips.name}/epoch-{epoch:05d}.png"
        scores = watch.look(backbone, floors=epoch == 0)
        line = {"step": epoch * self.steps_per_epoch, "epoch": epoch, **scores, "strip": strip}
        self.folder.add_look(line, watch.strip(backbone))

    def report(self) -> None:
        """Write ``report.html`` of everything so far."""
        write_report(History.of(self.folder, self.steps_per_epoch), self.images)
