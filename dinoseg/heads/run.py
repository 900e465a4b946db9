"""A head from photographs: look at each once, learn, write one file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dinoseg.backbone.memory import on_device
from dinoseg.backbone.precision import own_precision
from dinoseg.backbone.runtime import load_network
from dinoseg.errors import InputNotFound, MaskError, TrainingError
from dinoseg.heads.examples import Example, examples
from dinoseg.heads.fitting import fit_head, passes
from dinoseg.images.find import find
from dinoseg.images.text import spelled
from dinoseg.methods.head_network import save_head
from dinoseg.options import ModelOptions, SegmentOptions, TrainHeadOptions, values
from dinoseg.pipeline import Segmenter
from dinoseg.places import check_file
from dinoseg.runs.progress import progress_bar
from dinoseg.types import Failure, Source
from dinoseg.version import __version__

FEWEST = 8
"""Photographs with masks that a head needs."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadReport:
    """What a head was trained on, and how well it fits."""

    file: str
    model: str
    photographs: int
    """That were looked at."""
    used: int
    """That had a mask worth learning from."""
    labelled: int
    """Of these with a mask from ``labels``."""
    turned: int
    """Of these with a mask in the frame before EXIF turns the photograph: it was turned with it."""
    loss: float
    """Mean over the last epoch, nats per cell."""
    minutes: float
    failed: tuple[Failure, ...]
    """Photographs and masks that could not be read."""


@own_precision()
def run_head_training(images: str | Path | Sequence[str | Path], options: TrainHeadOptions) -> HeadReport:
    """Train a head for ``options.model`` on photographs (files, folders, globs) into ``options.output``.

    What the network says of each photograph is held in memory: 1.5 MB for the built-in model. Raises ``UsageError``
    before the first photograph is read, ``TrainingError`` where too few have a mask to learn from.
    """
    started = time.perf_counter()
    sources = list(find([images] if isinstance(images, str | Path) else images))
    masks = find_masks(sources, options.labels) if options.labels else {}
    sources = choose(sources, masks, options)
    check_file(options.output, replace=options.overwrite)
    backbone = load_network(options)
    segmenter = Segmenter.of(SegmentOptions(**values(options, ModelOptions), method="attention-cut"), backbone)
    stream = examples(segmenter, sources, masks, seed=options.seed, stored=options.stored_frame)
    looked = []
    with progress_bar("look", unit="image", total=len(sources)) as bar:
        for each in stream:
            looked.append(each)
            bar.update()
    useful = [each for each in looked if isinstance(each, list) and each]
    used = [example for each in useful for example in each]
    failed = tuple(each for each in looked if isinstance(each, Failure))
    if len(useful) < FEWEST:
        raise TrainingError(
            f"{len(useful)} of {len(sources)} photographs have a mask worth learning from ({len(failed)} could not be "
            f"read): a head needs at least {FEWEST}, better hundreds. Name more photographs."
        )
    epochs = options.epochs or passes(len(used))
    with on_device(backbone.device, "out of memory while the head learns: use --device cpu."):
        head, loss = fit_head(used, epochs, options.seed, torch.device(backbone.device))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    save_head(head, options.output, backbone.spec, **facts(options, useful, epochs))
    return HeadReport(
        file=str(options.output),
        model=options.model,
        photographs=len(sources),
        used=len(useful),
        labelled=sum(each[0].labelled for each in useful),
        turned=sum(each[0].turned for each in useful),
        loss=loss,
        minutes=round((time.perf_counter() - started) / 60, 1),
        failed=failed,
    )


def find_masks(sources: Sequence[Source | Failure], folder: Path) -> dict[str, Path]:
    """The mask files of the photographs that have one, by id.

    Raises ``InputNotFound`` for a folder that is not there, ``MaskError`` where no photograph has a mask.
    """
    if not folder.is_dir():
        raise InputNotFound(f"{folder}: there is no such folder of masks.")
    found = {source.id: mask for source in sources for mask in places(folder, source.id) if mask.is_file()}
    if not found:
        raise MaskError(f"{folder} holds no mask of these photographs: cat.jpg's is cat.png or cat.jpg.png.")
    return found


def places(folder: Path, id_: str) -> list[Path]:
    """Where the mask of a photograph may lie, the surest place last."""
    names = (Path(id_).name, id_)  # ids of one of several folders begin with its name
    return [spelled(folder, place) for name in names for place in (str(Path(name).with_suffix(".png")), f"{name}.png")]


def choose(
    sources: Sequence[Source | Failure], masks: dict[str, Path], options: TrainHeadOptions
) -> list[Source | Failure]:
    """At most ``options.photographs``, drawn by the seed, in their order; those with a mask are all among them."""
    given = [source.id in masks for source in sources]
    drawn = np.random.default_rng(options.seed).permutation(len(sources))
    first = sorted(drawn, key=lambda index: not given[index])  # stable: the others stay as drawn
    return [sources[index] for index in sorted(first[: max(options.photographs, sum(given))])]


def facts(options: TrainHeadOptions, useful: Sequence[list[Example]], epochs: int) -> dict[str, str]:
    """What a head's file says about how it was made."""
    return {
        "dinoseg": __version__,
        "photographs": str(len(useful)),
        "crops": str(sum(len(each) - 2 for each in useful)),
        "labelled": str(sum(each[0].labelled for each in useful)),
        "epochs": str(epochs),
        "seed": str(options.seed),
        "size": str(options.size or "32 patches"),
    }
