"""Signs that a run learns nothing, and what to change then."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

from dinoseg.options import TrainOptions

log = logging.getLogger(__name__)
COLLAPSED = 0.01
"""A teacher whose entropy is this near to one of its ends (as a share of ln K) says the same of every photograph."""
NO_SPREAD = 0.02
"""Features that lie within less than this say the same of every photograph (untrained weights: 0.6 to 0.8)."""
MEASURES = ("teacher_entropy", "spread")


def findings(values: Mapping[str, float], options: TrainOptions) -> dict[str, str]:
    """What is wrong with an epoch whose measures have these means, and the remedy, by kind; empty where all is well.

    The ends of the entropy are the two ways in which DINO collapses (Caron et al. 2021, section 5.3): without
    sharpening all prototypes become alike, without centring one takes all photographs.
    """
    found = {}
    if "teacher_entropy" in values:
        share = values["teacher_entropy"] / math.log(options.prototypes)
        told = f"the teacher's entropy is {share:.3f} of ln K"
        if share > 1 - COLLAPSED:
            found["uniform"] = f"{told}, all prototypes alike: lower --teacher-temp or raise --lr"
        elif share < COLLAPSED:
            found["constant"] = f"{told}, one prototype for all photographs: raise --teacher-temp or --momentum"
    if values.get("spread", 1.0) < NO_SPREAD:
        told = f"the features of all photographs are the same (spread {values['spread']:.3f})"
        found["spread"] = f"{told}: lower --lr, or warm up longer (--warmup-epochs)"
    return found


class Monitor:
    """Says once what is wrong, and again when it comes back."""

    def __init__(self, options: TrainOptions) -> None:
        self.options = options
        self.steps: list[Mapping[str, float]] = []
        self.told: set[str] = set()

    def add(self, values: Mapping[str, float]) -> None:
        """Take in the measures of one step."""
        self.steps.append(values)

    def end_epoch(self, epoch: int) -> None:
        """Warn of what an epoch (from 1) showed; none while the learning rate warms up, which may look like it."""
        if epoch > self.options.warmup:
            found = findings(means(self.steps), self.options)
            for kind in found.keys() - self.told:
                log.warning("Epoch %d: training has collapsed: %s.", epoch, found[kind])
            self.told = set(found)
        self.steps = []


def means(steps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each of ``MEASURES`` that the steps have."""
    return {name: sum(step[name] for step in steps) / len(steps) for name in MEASURES if steps and name in steps[0]}
