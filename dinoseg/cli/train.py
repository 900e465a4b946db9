"""``dinoseg train``: a network of one's own photographs."""

from __future__ import annotations

from typing import Annotated

from dinoseg.cli.arguments import IMAGES, RECIPE, Json
from dinoseg.cli.console import as_json, inform, say_failures, tell, tell_json
from dinoseg.cli.exits import of_counts
from dinoseg.options import TrainOptions


def train(*images: Annotated[str, IMAGES], options: Annotated[TrainOptions, RECIPE], json: Json = False) -> int:
    """Train a DINO Vision Transformer on your photographs, without labels.

    Interrupted runs go on with --resume. `dinoseg segment --model` loads what comes out; report.html shows how it went.
    """
    from dinoseg.cli.before import before_train

    before_train(images, options)
    from dinoseg.training import run_training

    result = run_training(images, options)
    code = of_counts(result.photographs, len(result.failed))
    if not result.first:
        return code
    say_failures(result.failed, len(result.failed), f"{options.output / 'broken.jsonl'} names all of them")
    inform(f"{result.steps} steps on {result.photographs} photographs; loss of the last epoch {result.loss:.3f}")
    if json:
        facts = {name: getattr(result, name) for name in ("model", "steps", "loss", "photographs")}
        tell_json(facts | {"failed": as_json(result.failed)})
    else:
        tell(result.model)
    return code
