"""A smaller, faster copy of a good ViT: patch resized, MLP neurons pruned in closed form, healed by distillation.

The straight line is ``run_compression``: load -> resize the patch -> prune -> heal -> store as int8 -> report.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dinoseg.atomic import atomic_write
from dinoseg.backbone.base import Backbone
from dinoseg.backbone.export import all_finite, save_backbone
from dinoseg.backbone.features import Features
from dinoseg.backbone.memory import on_device
from dinoseg.backbone.precision import own_precision
from dinoseg.backbone.vit import VisionTransformer
from dinoseg.backbone.weights import load_file
from dinoseg.backbone.zoo import choose_device, load, put_on
from dinoseg.compression.aims import AIMS
from dinoseg.compression.crops import CropFeed, Size, evenly
from dinoseg.compression.heal import Healing, HealOptions
from dinoseg.compression.patch import resize_patch_kernel
from dinoseg.compression.prune import prunable, prune
from dinoseg.errors import CompressionError, NonFiniteLoss, OutputConflict, WeightsError
from dinoseg.files import read_back
from dinoseg.images.find import find
from dinoseg.learning.distance import look, mean_cosine, statistics
from dinoseg.options import CompressOptions, identity, with_options_after_two
from dinoseg.places import check_file, claimed
from dinoseg.runs.identity import refuse_other_run
from dinoseg.runs.progress import progress_bar
from dinoseg.types import Source
from dinoseg.version import __version__

log = logging.getLogger(__name__)
CALIBRATE, HEAL, HELD_OUT = 0, 1, 2  # streams of crops
HELD_OUT_CROPS = 72
HELD_OUT_SHARE = 0.05
SETTINGS = "settings.json"


@dataclass(frozen=True, slots=True)
class CompressReport:
    """What came out. Cosines are to the teacher, on photographs that were used for nothing else."""

    file: str
    teacher: str
    teacher_sha256: str
    parameters: tuple[int, int]
    """Of the teacher and the student."""
    megabytes: float
    photographs: int
    held_out: int
    cosine_pruned: float
    cosine_healed: float
    cosine_stored: float
    """After rounding to the stored precision."""
    minutes: float
    """Of this run; a resumed one counts from its resumption."""


@own_precision()
def run_compression(model: str, images: str | Path | Sequence[str | Path], options: CompressOptions) -> CompressReport:
    """Compress ``model`` (a zoo name or a file) with unlabelled photographs into ``options.output``.

    Raises ``CompressionError`` for a network that cannot be pruned, ``OutputConflict`` for a file that is there,
    ``NonFiniteLoss`` where healing lost all numbers: nothing is written then.
    """
    started = time.perf_counter()
    used, held_out = divide([images] if isinstance(images, str | Path) else images, options.seed)
    check_file(options.output, replace=options.overwrite or options.resume)
    teacher = prunable(load(model, heads=options.heads, offline=options.offline), options.neurons)
    teacher = put_on(teacher, choose_device(options.device))
    work = working_folder(options)
    sizes = square(options.grid * teacher.spec.patch), square(options.grid * options.patch)
    told = f"The device's memory is too small for --batch {options.batch}: halve it, with --overwrite."
    with claimed(work, deep=False), on_device(teacher.device, told):
        claim(work, options, teacher, used)
        judge = Judge(teacher, held_out_set(CropFeed(held_out, options.seed), sizes))
        feed = CropFeed(used, options.seed, ahead=2 * options.batch)  # a GPU's next step is there when it is done
        student, cosine_pruned = pruned_student(teacher, feed, sizes, options, work, judge)
        if options.heal_crops:
            heal(teacher, student, feed, options, work, judge)
        cosine_healed = judge(student)
        facts = {"teacher_sha256": teacher.spec.sha256, "dinoseg": __version__, "neurons": str(options.neurons)}
        stored = work / "stored.safetensors"
        save_backbone(student, stored, store=options.store, **facts)
        stored.replace(options.output)
    network = load_file(options.output).to(teacher.device)
    return CompressReport(
        file=str(options.output),
        teacher=teacher.spec.name,
        teacher_sha256=teacher.spec.sha256,
        parameters=(count(teacher), count(student)),
        megabytes=round(options.output.stat().st_size / 2**20, 2),
        photographs=len(used),
        held_out=len(held_out),
        cosine_pruned=cosine_pruned,
        cosine_healed=cosine_healed,
        cosine_stored=judge(network),
        minutes=round((time.perf_counter() - started) / 60, 1),
    )


compress = with_options_after_two(CompressOptions)(run_compression)


def working_folder(options: CompressOptions) -> Path:
    """The folder of unfinished work beside the output."""
    return options.output.with_name(options.output.name + ".work")


def claim(work: Path, options: CompressOptions, teacher: Backbone, used: Sequence[Source]) -> None:
    """Make a locked working folder this compression's: begin it, or go on with one that was begun with the same.

    Raises ``OutputConflict`` for one of another compression.
    """
    ids = "\n".join(source.id for source in used).encode("utf-8", "surrogateescape")
    photographs = {"count": len(used), "sha256": hashlib.sha256(ids).hexdigest()}
    settings = {**identity(options), "teacher_sha256": teacher.spec.sha256, "photographs": photographs}
    file = work / SETTINGS
    if file.exists() and options.resume:
        before = settings_in(file)
        refuse_other_run(work, {key: before.get(key) for key in settings}, settings, "use the same, or --overwrite.")
        return
    if file.exists() and not options.overwrite:
        raise OutputConflict(f"{work} holds an unfinished compression: --resume goes on, --overwrite starts anew.")
    for old in (work / SETTINGS, work / "pruned.safetensors", *work.glob("heal-*")):
        old.unlink(missing_ok=True)
    with atomic_write(file) as content:
        content.write(json.dumps(settings, indent=1).encode() + b"\n")


def settings_in(file: Path) -> dict[str, Any]:
    """What a compression was begun with. Raises ``OutputConflict`` where the file does not say it."""
    before = read_back(file)
    if not isinstance(before, dict):
        raise OutputConflict(f"{file} is damaged: start again with --overwrite.")
    return before


def divide(images: Sequence[str | Path], seed: int) -> tuple[list[Source], list[Source]]:
    """Photographs to learn from, and a twentieth (at most 72) held out. Raises ``CompressionError`` for too few."""
    sources = [found for found in find(images) if isinstance(found, Source)]
    if len(sources) < 20:
        raise CompressionError(f"{len(sources)} photographs found: compress needs at least 20, better thousands.")
    order = np.random.default_rng(seed).permutation(len(sources))
    kept = max(1, min(HELD_OUT_CROPS, int(len(sources) * HELD_OUT_SHARE)))
    return [sources[i] for i in order[kept:]], [sources[i] for i in order[:kept]]


def square(side: int) -> Size:
    """Height and width of a square crop, px."""
    return side, side


def held_out_set(feed: CropFeed, sizes: tuple[Size, Size]) -> list[tuple[Tensor, Tensor]]:
    """Crops by which teacher and student are compared, uint8 pairs."""
    return [(large, small) for large, small in feed.batches(HELD_OUT, evenly(HELD_OUT_CROPS, 24, *sizes))]


class Judge:
    """Cosine of a student's patch tokens to the teacher's on held-out photographs.

    Raises ``CompressionError`` for a teacher that gives no numbers.
    """

    def __init__(self, teacher: Backbone, crops: list[tuple[Tensor, Tensor]]) -> None:
        self.crops = [small for _, small in crops]
        with torch.no_grad():
            self.seen = [look(teacher, large) for large, _ in crops]
        if not all(
            all_finite(part for part in (seen.facets["token"], seen.attention) if part is not None)
            for seen in self.seen
        ):
            raise CompressionError(
                f"{teacher.spec.name} gives NaN or infinite numbers for photographs: check its file."
            )
        self.known = statistics(merged(self.seen))

    @torch.no_grad()
    def __call__(self, student: Backbone) -> float:
        """Mean cosine, -1..1, of tokens less the teacher's mean token. Raises ``NonFiniteLoss``."""
        pairs = zip(self.crops, self.seen, strict=True)
        cosines = [mean_cosine(look(student, small), seen, self.known).item() for small, seen in pairs]
        if not np.isfinite(cosines).all():
            raise NonFiniteLoss(
                "The student gives NaN or infinite numbers: start again with --overwrite, a smaller --lr."
            )
        return round(float(np.average(cosines, weights=[len(small) for small in self.crops])), 4)


def merged(parts: Sequence[Features]) -> Features:
    """Several batches as one, tokens and CLS only."""
    tokens = torch.cat([part.facets["token"] for part in parts])
    cls = torch.cat([part.cls for part in parts if part.cls is not None])
    return replace(parts[0], facets={"token": tokens}, cls=cls)


def pruned_student(
    teacher: VisionTransformer,
    feed: CropFeed,
    sizes: tuple[Size, Size],
    options: CompressOptions,
    work: Path,
    judge: Judge,
) -> tuple[Backbone, float]:
    """The student after patch resize and pruning; kept in the working folder, so that it is made once."""
    file = work / "pruned.safetensors"
    student = kept(file)
    if student is None:
        unpruned = with_patch(teacher, options.patch)
        crops = feed.batches(CALIBRATE, evenly(options.calibration_crops, 64, *sizes))
        on_device = [(large.to(teacher.device), small.to(teacher.device)) for large, small in crops]
        with progress_bar("prune", unit="block", total=teacher.spec.depth) as bar:
            prune(teacher, unpruned, on_device, options.neurons, progress=bar.update)
        unpruned.spec = replace(unpruned.spec, hidden=options.neurons)
        save_backbone(unpruned, file, store="float32")
        student = load_file(file)
    student = student.to(teacher.device)
    return student, judge(student)


def kept(file: Path) -> Backbone | None:
    """The network in a file of the working folder, if it is there and whole."""
    try:
        return load_file(file) if file.exists() else None
    except WeightsError as error:
        log.warning("%s It is made again.", error)
        return None


def with_patch(teacher: VisionTransformer, patch: int) -> VisionTransformer:
    """A copy of the network for patches of another size."""
    student = copy.deepcopy(teacher)
    embed = student.vit.patch_embed
    kernel = resize_patch_kernel(embed.proj.weight.data, patch)
    projection = nn.Conv2d(3, len(kernel), patch, stride=patch, device=kernel.device)
    projection.weight = nn.Parameter(kernel, requires_grad=False)
    projection.bias = embed.proj.bias
    embed.proj = projection
    student.spec = replace(student.spec, patch=patch, name=f"{teacher.spec.name}-p{patch}")
    return student


def heal(
    teacher: Backbone, student: Backbone, feed: CropFeed, options: CompressOptions, work: Path, judge: Judge
) -> None:
    """Distil until ``options.heal_crops`` by each of ``AIMS``, going on from the working folder's checkpoints.

    The student becomes the mean of what they made of it (Wortsman et al. 2022, Model soups).
    """
    settings = HealOptions(options.heal_crops, options.batch, options.lr, options.grid, options.seed)
    healed = []
    for name, aim in AIMS.items():
        one = copy.deepcopy(student)
        checkpoint = work / f"heal-{name}.pt"
        amp = bfloat16_pays(teacher.device)
        healing = Healing(teacher, one, feed, judge.known, aim, settings, checkpoint, amp=amp)
        healing.load()
        done = healing.step * options.batch
        with progress_bar(name, unit="crop", total=settings.steps * options.batch, done=done) as bar:
            healing.run(HEAL, partial(judge, one), partial(show, bar))
        healed.append(one)
    average(student, healed)


def show(bar: Any, crops: int, loss: float) -> None:
    """How far a healing is."""
    bar.update(crops)
    bar.set_postfix(loss=f"{loss:.4f}")


@torch.no_grad()
def average(student: Backbone, healed: Sequence[Backbone]) -> None:
    """Give a network the mean of the weights of others of its shape."""
    for own, *others in zip(student.network.parameters(), *(one.network.parameters() for one in healed), strict=True):
        own.copy_(torch.stack(others).mean(dim=0))


def bfloat16_pays(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively (measured: the step takes two thirds of float32's time)."""
    if device.type == "cpu":
        supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)  # not in every build
        return bool(supported and supported())
    return device.type == "cuda"


def count(backbone: Backbone) -> int:
    """How many parameters a network has."""
    return sum(p.numel() for p in backbone.network.parameters())
