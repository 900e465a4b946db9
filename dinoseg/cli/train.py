"""``dinoseg train``: a network of one's own photographs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from dinoseg.cli.arguments import IMAGES, RECIPE
from dinoseg.cli.console import say, say_failures, tell
from dinoseg.cli.exits import of_counts
from dinoseg.options import TrainOptions


def train(images: Annotated[list[str], IMAGES], /, *, options: Annotated[TrainOptions, RECIPE]) -> int:
    """Train a DINO Vision Transformer on your photographs, without labels.

    Interrupted runs go on with --resume. `dinoseg segment --model` loads what comes out.
    """
    from dinoseg.training import train

    result = train(images, **asdict(options))
    say_failures(result.failed, f"{options.output / 'broken.jsonl'} names all of them")
    say(f"{result.steps} steps on {result.photographs} photographs; loss of the last epoch {result.loss:.3f}")
    tell(result.model)
    return of_counts(result.photographs, len(result.failed))
