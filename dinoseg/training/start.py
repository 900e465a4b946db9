"""Where a run starts: random weights or any network of the zoo, and the frozen teacher of a distillation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import nn

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.families import family_of
from dinoseg.backbone.families.convolutional import CONVOLUTIONAL
from dinoseg.backbone.spec import BackboneSpec
from dinoseg.backbone.vit import VisionTransformer
from dinoseg.backbone.zoo import load
from dinoseg.errors import OptionError
from dinoseg.options import SCRATCH, TrainOptions

INIT_STD = 0.02
DEFAULT = {field.name: field.default for field in fields(TrainOptions)}


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What a run begins with, read and checked before any photograph is."""

    spec: BackboneSpec
    """Of the network that will be trained."""
    teacher: Backbone | None
    """The frozen network to learn from, on the CPU."""

    @classmethod
    def read(cls, options: TrainOptions) -> Start:
        """Raises ``WeightsError``, and ``OptionError`` for sizes that do not fit the files."""
        spec = scratch_spec(options) if options.init is None else read_init(options).spec
        return cls(spec, None if options.distil_from is None else read_teacher(options))

    def crop(self, options: TrainOptions) -> int:
        """Side in px of the largest crop: a teacher sees the student's grid at its own patch size."""
        patch = self.teacher.spec.patch if self.teacher else 0
        return max(options.global_size, options.global_size // self.spec.patch * patch)

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the result beside options and photographs, for ``run.json``."""
        teacher = self.teacher.spec.sha256 if self.teacher else ""
        network = asdict(self.spec)
        if not self.spec.architecture:  # runs of Vision Transformers begun before there were others go on
            del network["architecture"]
        return {"network": network, "teacher_sha256": teacher}


def starting_backbone(options: TrainOptions) -> Backbone:
    """A backbone to train, on the CPU, with its first ``options.freeze_blocks`` blocks frozen.

    Random weights are drawn from torch's own generator. Those of ``options.init`` are loaded strictly and keep their
    patch grid and position table. Raises as ``Start.read`` does.
    """
    if options.init is None:
        return from_scratch(options)
    backbone = read_init(options).requires_grad_(True).train()
    freeze(backbone, options.freeze_blocks)
    return backbone


def read_init(options: TrainOptions) -> Backbone:
    """The network to start from."""
    assert options.init is not None
    backbone = load(options.init, heads=options.heads, offline=options.offline)
    check_sizes(backbone.spec, options)
    return family_of(backbone.spec.family).for_training(backbone)


def read_teacher(options: TrainOptions) -> Backbone:
    """The network to distil from."""
    assert options.distil_from is not None
    teacher = load(options.distil_from, offline=options.offline)
    if not family_of(teacher.spec.family).attention:
        raise OptionError(
            f"--distil-from {options.distil_from} is a network of the family {teacher.spec.family}, which has no "
            "attention to learn: name a Vision Transformer."
        )
    return teacher


def scratch_spec(options: TrainOptions) -> BackboneSpec:
    """A plain ViT, or the convolutional network of ``options.arch``."""
    if options.arch is not None:
        spec = CONVOLUTIONAL.scratch(options.arch)
        check_convolutional(spec, options)
        return spec
    width = options.width or SCRATCH["width"]
    return BackboneSpec(
        name="trained",
        family="dino",
        patch=options.patch or SCRATCH["patch"],
        width=width,
        depth=options.depth or SCRATCH["depth"],
        heads=options.heads or SCRATCH["heads"],
        hidden=4 * width,
        registers=0,
        positions="offset",
        layer_scale=False,
    )


def from_scratch(options: TrainOptions) -> Backbone:
    """A network as published weights start; the position table of a ViT is that of a global crop."""
    spec = scratch_spec(options)
    if options.arch is not None:
        backbone = CONVOLUTIONAL.new(spec)
        for part in backbone.modules():
            if isinstance(part, nn.BatchNorm2d):  # timm begins with branches that add nothing, torchvision does not
                nn.init.ones_(part.weight)
        return backbone
    positions = 1 + (options.global_size // spec.patch) ** 2
    backbone = family_of(spec.family).new(spec, {"pos_embed": torch.empty(1, positions, spec.width)})
    initialise(backbone)
    return backbone


def initialise(module: nn.Module) -> None:
    """Published start: truncated normal for matrices, CLS and positions; the patch kernel keeps PyTorch's default."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=INIT_STD)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Conv2d):
            part.reset_parameters()
    if isinstance(module, VisionTransformer):
        nn.init.trunc_normal_(module.vit.cls_token, std=INIT_STD)
        nn.init.trunc_normal_(module.vit.pos_embed, std=INIT_STD)


def check_sizes(spec: BackboneSpec, options: TrainOptions) -> None:
    """Raise ``OptionError`` where options ask for another network than the file's, or for crops off its grid."""
    if not family_of(spec.family).attention:
        check_convolutional(spec, options)
        return
    for name in SCRATCH:
        asked, is_ = getattr(options, name), getattr(spec, name)
        if asked is not None and asked != is_:
            raise OptionError(f"--{name} {asked} is not that of {options.init} ({is_}): leave it out with --init.")
    if options.freeze_blocks > spec.depth:
        raise OptionError(
            f"--freeze-blocks {options.freeze_blocks} is out of range: {options.init} has {spec.depth} blocks."
        )
    check_grid(spec, options)


def check_convolutional(spec: BackboneSpec, options: TrainOptions) -> None:
    """Raise ``OptionError`` for what only Vision Transformers have, and for what batch norms do not go with."""
    name = options.arch or options.init
    given = [each for each in SCRATCH if getattr(options, each) is not None]
    given += [each for each in ("layer_decay", "freeze_blocks") if getattr(options, each) != DEFAULT[each]]
    if given:
        flags = ", ".join(f"--{each.replace('_', '-')}" for each in given)
        raise OptionError(
            f"{flags}: for Vision Transformers only, and {name} is a convolutional network: leave it out."
        )
    if options.distil_from is not None:
        raise OptionError(f"--distil-from teaches attention, which {name} has not: leave it out.")
    if options.accumulate > 1:
        raise OptionError(f"--accumulate: the batch norms of {name} see one batch at a time: leave it out.")
    if options.batch < 2:
        raise OptionError(f"--batch {options.batch}: the batch norms of {name} need 2 or more.")
    for flag, size in (("--global-size", options.global_size), ("--local-size", options.local_size)):
        if size < spec.patch:
            raise OptionError(f"{flag} {size} is less than one cell of {name}: {spec.patch} or more.")


def check_grid(spec: BackboneSpec, options: TrainOptions) -> None:
    """Raise ``OptionError`` unless crops are whole patches."""
    for name, size in (("--global-size", options.global_size), ("--local-size", options.local_size)):
        if size % spec.patch:
            lower = size // spec.patch * spec.patch
            near = f"{lower} or {lower + spec.patch}" if lower else spec.patch
            raise OptionError(f"{name} {size} does not lie on the grid of {options.init} (patch {spec.patch}): {near}.")


def stage(name: str, depth: int) -> int:
    """How deep a parameter lies: 0 for what makes tokens, 1..depth for blocks, depth + 1 for what follows."""
    parts = name.split(".")
    if "blocks" in parts:
        return 1 + int(parts[parts.index("blocks") + 1])
    makes_tokens = {"patch_embed", "cls_token", "pos_embed", "reg_token"} & set(parts)
    return 0 if makes_tokens else depth + 1


def freeze(backbone: Backbone, blocks: int) -> None:
    """Keep the first ``blocks`` blocks, and what makes their tokens, as they are; nothing for 0."""
    for name, parameter in backbone.network.named_parameters():
        if blocks and stage(name, backbone.spec.depth) <= blocks:
            parameter.requires_grad_(False)


def layer_rates(decay: float, depth: int) -> Callable[[str], float]:
    """The share of the learning rate by a parameter's name: ``decay`` less per block from the end (Bao et al. 2022)."""
    return lambda name: decay ** (depth + 1 - stage(name, depth))
