"""Seeing a run learn: warnings, looks at the network every few epochs, and a report of all of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.families import family_of
from dinoseg.images.find import find
from dinoseg.options import TrainOptions
from dinoseg.training.folder import RunFolder
from dinoseg.training.monitor import Monitor
from dinoseg.training.report import History, below_floors, write_report
from dinoseg.training.watch import Watch, evaluating
from dinoseg.types import Source

log = logging.getLogger(__name__)


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
        listing = find(self.images, from_file=self.options.from_file, exclude=self.options.output)
        sources = [found for found in listing if isinstance(found, Source)]
        return Watch.of(sources, self.options.global_size, self.options.batch)

    def begin(self, step: int, backbone: Backbone) -> None:
        """Evaluate the network with which a run begins or goes on, where that is due and was not done before."""
        epoch, within = divmod(step, self.steps_per_epoch)
        seen = [look["step"] for look in self.folder.looks()]
        if not within and self.due(epoch) and step not in seen:
            self.look(epoch, backbone)

    def add(self, values: Mapping[str, float]) -> None:
        """Take in the measures of one step."""
        self.monitor.add(values)

    def end_epoch(self, epoch: int) -> None:
        """After an epoch (from 1)."""
        self.monitor.end_epoch(epoch)

    def due(self, epoch: int) -> bool:
        """Whether the network is looked at after that many epochs: before the first, every few, and at the end."""
        return self.watch is not None and (epoch % self.options.watch_every == 0 or epoch == self.options.epochs)

    def look(self, epoch: int, backbone: Backbone) -> None:
        """A line of ``watch.jsonl``, a strip of attention where there is some, and the page with both."""
        assert self.watch
        line: dict[str, Any] = {"step": epoch * self.steps_per_epoch, "epoch": epoch}
        strip = None
        with evaluating(backbone):
            line |= self.watch.look(backbone, floors=epoch == 0)
            if family_of(backbone.spec.family).attention:
                strip, peak = self.watch.strip(backbone)
                line |= {} if math.isnan(peak) else {"peak": peak}
                line["strip"] = f"{self.folder.strips.name}/epoch-{epoch:05d}.png"
        self.folder.add_look(line, strip)
        self.report()

    def report(self) -> None:
        """Write ``report.html`` of everything so far."""
        write_report(self.history, self.images)

    def end(self) -> None:
        """Write the last report, and warn of scores below the floors."""
        self.report()
        for told in below_floors(self.history):
            log.warning("%s", told)

    @property
    def history(self) -> History:
        """What the run's files say so far."""
        return History.of(self.folder, self.steps_per_epoch)
