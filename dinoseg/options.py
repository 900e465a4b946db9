"""What can be asked for. The command line, the Python keywords, ``run.json`` and the docs all read these classes.

Nothing heavy is imported here: ``--help`` needs this file only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Concatenate, Literal, ParamSpec, TypeVar

from cyclopts import Parameter, Token

from dinoseg.errors import OptionError

P = ParamSpec("P")
X = TypeVar("X")
O = TypeVar("O")
R = TypeVar("R")


def whole_number(type_: object, tokens: Sequence[Token]) -> int:  # noqa: ARG001 (how cyclopts calls a converter)
    """An integer and nothing else: cyclopts by itself would round 1.5 to 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is not a whole number.") from None


SCRATCH = {"patch": 16, "width": 192, "depth": 12, "heads": 3}
"""The shape of a network from scratch where the options do not say."""

Whole = Annotated[int, Parameter(converter=whole_number)]
Flag = Parameter(negative="")
Items = Parameter(negative="", consume_multiple=False)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which network, at which size, on which device."""

    model: str = "builtin"
    """A name of `dinoseg models`, or the path of a weight file."""
    heads: Whole | None = None
    """Attention heads, where the weight file does not say (default: width / 64)."""
    size: Whole | None = None
    """Long side in px (default: 32 patches); never more than twice the photograph."""
    positions: Literal["family", "timm"] = "family"
    """Resize the position table as the network's own program does, or as timm does."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    batch: Whole | None = None
    """Images per forward pass (default: 1 on a CPU, 32 on a GPU)."""
    offline: Annotated[bool, Flag] = False
    """Never use the network."""

    def __post_init__(self) -> None:
        require(self.heads is None or self.heads >= 1, "--heads", self.heads, "1 or more")
        require(self.size is None or 16 <= self.size <= 8192, "--size", self.size, "16..8192 px")
        require(self.batch is None or 1 <= self.batch <= 4096, "--batch", self.batch, "1..4096")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """Which files, and how far to trust them."""

    from_file: Path | None = None
    """A text file with one path a line, relative to that file."""
    max_pixels: Whole = 178_956_970
    """Refuse larger images (width x height)."""

    def __post_init__(self) -> None:
        require(self.max_pixels >= 1, "--max-pixels", self.max_pixels, "1 or more")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SegmentOptions(ModelOptions):
    """How objects are found."""

    method: str = "attention-cut"
    """A name of `dinoseg methods`."""
    param: Annotated[tuple[str, ...], Items] = ()
    """A parameter of the method, `name=value`; may be repeated (see `dinoseg methods NAME`)."""
    refine: str = "guided"
    """How masks are fitted to the image's edges: guided (filter), bilateral (solver), crf (dense CRF) or none."""
    min_presence: float = 0.0
    """No mask where the probability of an object, 0..1, is below this (default: never; 0.3 is careful)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.min_presence <= 1, "--min-presence", self.min_presence, "0..1")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AttendOptions(ModelOptions):
    """Which attention is looked at."""

    query: tuple[Whole, Whole] | None = None
    """X Y in px of the upright image: attention of that patch instead of CLS."""
    layer: Whole | None = None
    """1..depth (default: the last)."""
    rollout: Annotated[bool, Flag] = False
    """Attention rolled out over all layers (Abnar and Zuidema 2020)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.layer is None or self.layer >= 1, "--layer", self.layer, "1..depth")
        if self.rollout and (self.layer is not None or self.query is not None):
            raise OptionError("--rollout goes over all layers from CLS: leave out --layer and --query.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PropagateOptions:
    """How labels go from frame to frame; the defaults are those of DINO's video evaluation (Caron et al. 2021)."""

    context: Whole = 7
    """Frames before the present one in which a patch's like is sought, besides the first."""
    radius: Whole = 12
    """Patches up, down and sideways as far as it is sought (0: everywhere)."""
    neighbours: Whole = 5
    """Patches, over all these frames, that give their labels."""
    temperature: float = 0.1
    """Of exp(cosine / temperature), the weight of a patch."""
    normalise: Literal["dino-video", "imagenet"] = "dino-video"
    """Deviation of red: 0.228 as in DINO's video program, or ImageNet's 0.229 as everywhere else."""

    def __post_init__(self) -> None:
        require(0 <= self.context <= 100, "--context", self.context, "0..100 frames")
        require(self.radius >= 0, "--radius", self.radius, "0 or more patches")
        require(self.neighbours >= 1, "--neighbours", self.neighbours, "1 or more")
        require(0 < self.temperature < math.inf, "--temperature", self.temperature, "above 0")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrackOptions(PropagateOptions, SegmentOptions):
    """Which objects are followed through a video, and how."""

    mask: Path | None = None
    """Mask of the first frame, of its size: objects by number, or one object in white; instead of --method."""
    size: Whole | None = None
    """Long side in px (default: a short side of 480 px, as published)."""

    def __post_init__(self) -> None:
        SegmentOptions.__post_init__(self)
        PropagateOptions.__post_init__(self)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where results go."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder of the results; created if missing."""
    formats: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = (
        "masks",
        "overlays",
        "coco",
        "contact-sheet",
    )
    """Any of masks, labels, overlays, cutouts, coco, attention, descriptors, contact-sheet."""
    background: str | None = None
    """What cut-outs stand on: a colour, an image file or `blur` (default: transparent); asks for cutouts."""
    overwrite: Annotated[bool, Flag] = False
    """Replace the results that are in the folder."""
    json: Annotated[bool, Flag] = False
    """Print one machine-readable summary on stdout."""

    def __post_init__(self) -> None:
        if not self.wanted:
            raise OptionError("--formats needs at least one format, for instance masks.")

    @property
    def wanted(self) -> tuple[str, ...]:
        """The formats, and cutouts where a background is named."""
        return self.formats if self.background is None else (*self.formats, "cutouts")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FrameOptions(OutputOptions):
    """Where results of a video go."""

    formats: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = ("labels", "overlays")
    """Any of labels, overlays, video (overlays.mp4), masks, cutouts, coco, contact-sheet."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The DINO recipe (Caron et al. 2021) at a size that a small machine can train."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder of the run."""
    resume: Annotated[bool, Flag] = False
    """Go on from the newest checkpoint in the folder."""
    overwrite: Annotated[bool, Flag] = False
    """Start again although the folder holds a run."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    seed: Whole = 0
    """Of weights, order and augmentation."""
    epochs: Whole = 100
    """Passes over the photographs."""
    batch: Whole = 64
    """Photographs that go through the network at once, in each process."""
    accumulate: Whole = 1
    """Batches per step: the result of a batch N times as large, in the memory of one."""
    recipe: Literal["dino"] = "dino"
    """What is learned: DINO as published."""
    init: str | None = None
    """Start from this network: a name of `dinoseg models`, or a weight file (default: from scratch)."""
    layer_decay: float = 1.0
    """With --init: learning rate of each block as a share of the next one's (1: all alike)."""
    freeze_blocks: Whole = 0
    """With --init: the first N blocks, and the patch embedding, stay as they are."""
    distil_from: str | None = None
    """Learn the tokens and the attention of this frozen network, a name or a weight file, instead of DINO's loss."""
    teacher_cache: float = 0.0
    """With --distil-from: GiB on disk for the teacher's outputs on fixed crops (0: fresh crops, nothing is kept)."""
    patch: Whole | None = None
    """px per patch (default: 16, or as --init)."""
    width: Whole | None = None
    """Embedding width: 192 tiny, 384 small, 768 base (default: 192, or as --init)."""
    depth: Whole | None = None
    """Transformer blocks (default: 12, or as --init)."""
    heads: Whole | None = None
    """Attention heads (default: 3, or as --init says)."""
    global_size: Whole = 128
    """px of the 2 global crops."""
    local_size: Whole = 48
    """px of the local crops."""
    local_crops: Whole = 8
    """Local crops per photograph."""
    prototypes: Whole = 65536
    """Outputs of the head (K)."""
    lr: float = 5e-4
    """Peak learning rate at batch 256; scaled linearly with the batch."""
    warmup_epochs: Whole = 10
    """Linear warm-up of the learning rate."""
    weight_decay: tuple[float, float] = (0.04, 0.4)
    """First and last value of its cosine."""
    momentum: float = 0.996
    """First value of the teacher's momentum; its cosine ends at 1."""
    teacher_temp: tuple[float, float] = (0.04, 0.04)
    """First and final teacher temperature."""
    teacher_temp_epochs: Whole = 0
    """Epochs of linear warm-up between them."""
    freeze_last_layer: Whole = 1
    """Epochs in which the head's last layer stays as it is."""
    norm_last_layer: bool = True
    """Keep the norm of the last layer's weights at 1."""
    drop_path: float = 0.1
    """Of the student, rising linearly over depth."""
    clip: float = 3.0
    """Largest gradient norm, per tensor."""
    save_every: Whole = 20
    """Epochs between checkpoints that are kept."""
    watch_every: Whole = 10
    """Epochs between looks at the network: k-NN by names of folders, attention of fixed photographs (0: never)."""
    from_file: Path | None = None
    """A text file with one path a line, relative to that file, instead of IMAGES."""
    max_broken: float = 0.05
    """Share of the photographs that may be unreadable; with more, training does not start or stops."""
    cache: Literal["auto", "device", "memory", "disk"] = "auto"
    """Where photographs wait, decoded; disk: they are decoded again for every epoch. auto: by what is free."""
    amp: Literal["auto", "off"] = "auto"
    """Mixed precision (auto: on a GPU)."""

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise OptionError("--resume goes on with a run and --overwrite starts it again: choose one.")
        require(self.seed >= 0, "--seed", self.seed, "0 or more")
        for name in ("epochs", "batch", "accumulate", "patch", "width", "depth", "heads", "save_every"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"--{name.replace('_', '-')}", value, "1 or more")
        require(self.watch_every >= 0, "--watch-every", self.watch_every, "0 or more")
        require(0 <= self.max_broken <= 1, "--max-broken", self.max_broken, "0..1")
        self._check_start()
        self._check_views()
        self._check_rates()

    @property
    def step_batch(self) -> int:
        """Photographs per step of one process."""
        return self.batch * self.accumulate

    def _check_start(self) -> None:
        width, heads = self.width or SCRATCH["width"], self.heads or SCRATCH["heads"]
        require(self.init is not None or width % heads == 0, "--width", width, f"a multiple of --heads ({heads})")
        require(0 < self.layer_decay <= 1, "--layer-decay", self.layer_decay, "above 0, at most 1")
        require(self.freeze_blocks >= 0, "--freeze-blocks", self.freeze_blocks, "0 or more")
        require(0 <= self.teacher_cache < math.inf, "--teacher-cache", self.teacher_cache, "0 or more GiB")
        if self.init is None and (self.layer_decay != 1 or self.freeze_blocks):
            raise OptionError("--layer-decay and --freeze-blocks are for a network that has learned: add --init.")
        if self.distil_from is not None:
            require(self.batch > 1, "--batch", self.batch, "2 or more with --distil-from")
        if self.distil_from is not None and self.accumulate > 1:
            raise OptionError("--accumulate is for DINO's own loss: leave it out with --distil-from.")
        if self.distil_from is None and self.teacher_cache:
            raise OptionError("--teacher-cache keeps the outputs of a frozen teacher: add --distil-from.")

    def _check_views(self) -> None:
        patch = self.patch or (1 if self.init else SCRATCH["patch"])  # a file's own is looked at when it is read
        for name, size in (("--global-size", self.global_size), ("--local-size", self.local_size)):
            require(size >= patch and size % patch == 0, name, size, f"a multiple of --patch ({patch})")
        require(0 <= self.local_crops <= 64, "--local-crops", self.local_crops, "0..64")
        require(self.prototypes >= 2, "--prototypes", self.prototypes, "2 or more")

    def _check_rates(self) -> None:
        require(0 < self.lr < math.inf, "--lr", self.lr, "above 0")
        for name, epochs in (
            ("--warmup-epochs", self.warmup_epochs),
            ("--teacher-temp-epochs", self.teacher_temp_epochs),
        ):
            require(0 <= epochs <= self.epochs, name, epochs, f"within --epochs (0..{self.epochs})")
        require(all(0 <= w < math.inf for w in self.weight_decay), "--weight-decay", self.weight_decay, "0 or more")
        require(0 <= self.momentum <= 1, "--momentum", self.momentum, "0..1")
        require(all(0 < t < math.inf for t in self.teacher_temp), "--teacher-temp", self.teacher_temp, "above 0")
        require(self.freeze_last_layer >= 0, "--freeze-last-layer", self.freeze_last_layer, "0 or more")
        require(0 <= self.drop_path < 1, "--drop-path", self.drop_path, "0 or more and below 1")
        require(self.clip > 0, "--clip", self.clip, "above 0")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CompressOptions:
    """Prune the MLP neurons in closed form, heal by distillation, store as int8."""

    output: Annotated[Path, Parameter(alias="-o")]
    """The file to write (.safetensors); progress is kept beside it in FILE.work/."""
    patch: Whole = 10
    """px per patch of the student."""
    neurons: Whole = 384
    """MLP neurons kept per block."""
    calibration_crops: Whole = 1024
    """Crops from which the pruning is solved."""
    heal_crops: Whole = 5000
    """Crops of distillation afterwards (0: none)."""
    batch: Whole = 24
    """Crops per healing step."""
    lr: float = 6e-5
    """Peak learning rate of healing."""
    grid: Whole = 16
    """Patches per side of the crops, in teacher and student."""
    store: Literal["int8", "float16"] = "int8"
    """How matrices are stored."""
    heads: Whole | None = None
    """Attention heads of the teacher, where its file does not say."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    seed: Whole = 0
    """Of the crops."""
    offline: Annotated[bool, Flag] = False
    """Never use the network."""
    resume: Annotated[bool, Flag] = False
    """Go on from what is in FILE.work/."""
    overwrite: Annotated[bool, Flag] = False
    """Replace the file if it is there."""

    def __post_init__(self) -> None:
        require(4 <= self.patch <= 64, "--patch", self.patch, "4..64 px")
        require(self.neurons >= 1, "--neurons", self.neurons, "1 or more")
        require(self.calibration_crops >= 1, "--calibration-crops", self.calibration_crops, "1 or more")
        require(self.heal_crops >= 0, "--heal-crops", self.heal_crops, "0 or more")
        require(self.batch >= 1, "--batch", self.batch, "1 or more")
        require(self.lr > 0, "--lr", self.lr, "above 0")
        require(2 <= self.grid <= 64, "--grid", self.grid, "2..64 patches")
        require(self.heads is None or self.heads >= 1, "--heads", self.heads, "1 or more")
        require(self.seed >= 0, "--seed", self.seed, "0 or more")
        if self.resume and self.overwrite:
            raise OptionError("--resume goes on with what is there, --overwrite starts anew: pass one of them.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrainHeadOptions(ModelOptions):
    """Self-training on a frozen network: its features, masks of `attention-cut`, a small network between them."""

    output: Annotated[Path, Parameter(alias="-o")]
    """The file to write (.safetensors)."""
    labels: Path | None = None
    """Folder of masks of some of the photographs, of their size and name (cat.png or cat.jpg.png); they count more."""
    photographs: Whole = 2000
    """Learn from so many at most, drawn at random; they are held in memory (0.6 MB each for the built-in model)."""
    epochs: Whole | None = None
    """Passes over the photographs (default: 5, more where they are few)."""
    seed: Whole = 0
    """Of the choice of photographs and their order."""
    overwrite: Annotated[bool, Flag] = False
    """Replace the file if it is there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.photographs >= 1, "--photographs", self.photographs, "1 or more")
        require(self.epochs is None or self.epochs >= 1, "--epochs", self.epochs, "1 or more")
        require(self.seed >= 0, "--seed", self.seed, "0 or more")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(SegmentOptions):
    """Which pictures of a data set are scored, and where the report goes."""

    image_set: str | None = None
    """A list of the data set (VOC: Main/trainval, boxes only; DAVIS: 2017/val), or a text file of pictures' names."""
    split: Literal["all", "even", "odd"] = "all"
    """Indices of the sorted list (of the videos, where there are some): choose on even, report on odd."""
    every: Whole = 1
    """Score every n-th picture (of each video) of the split."""
    shots: Annotated[tuple[Whole, ...], Parameter(negative="", consume_multiple=True)] = ()
    """knn and linear: learn also from so few pictures of each class, for instance 1 5 10."""
    random_weights: Annotated[bool, Flag] = False
    """Measure a network of the model's shape that was never trained: a floor."""
    predictions: Path | None = None
    """Score these instead of running a method: a folder of masks named as the pictures, or a COCO json."""
    partial: Annotated[bool, Flag] = False
    """Give scores although pictures failed, labelled as partial."""
    output: Annotated[Path | None, Parameter(alias="-o")] = None
    """Folder of report.json, report.md and scores.csv (default: none); what was stopped there goes on."""
    overwrite: Annotated[bool, Flag] = False
    """Replace the report that is in the folder."""
    json: Annotated[bool, Flag] = False
    """Print the report as JSON on stdout."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.every >= 1, "--every", self.every, "1 or more")
        require(min(self.shots, default=1) >= 1, "--shots", self.shots, "1 or more")
        if self.overwrite and self.output is None:
            raise OptionError("--overwrite replaces a report: name its folder with --output.")
        if self.predictions and (self.random_weights or self.param or self.method != SegmentOptions.method):
            raise OptionError("--predictions are scored as they are: leave out --method, --param and --random-weights.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class GroupOptions(SegmentOptions):
    """How objects are found and grouped, and where results go."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder of the results; created if missing."""
    clusters: Whole | None = None
    """How many groups (default: of 2..30 what fits best, by silhouette)."""
    overwrite: Annotated[bool, Flag] = False
    """Replace the results that are in the folder."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.clusters is None or 2 <= self.clusters <= 254, "--clusters", self.clusters, "2..254")


def deciding(options: ModelOptions) -> dict[str, object]:
    """The options without those that change how fast a result comes but not what it is."""
    return {name: value for name, value in asdict(options).items() if name not in ("device", "batch", "offline")}


def require(fine: bool, name: str, value: object, range_: str) -> None:
    """Raise ``OptionError`` naming the option, its value and the allowed range unless ``fine``."""
    if not fine:
        raise OptionError(f"{name} {value} is out of range: it must be {range_}.")


def with_options(options: Callable[P, O]) -> Callable[[Callable[[X, O], R]], Callable[Concatenate[X, P], R]]:
    """Let ``function(x, options)`` be called as ``function(x, **fields)``; mypy sees the fields' names and types."""

    def decorate(function: Callable[[X, O], R]) -> Callable[Concatenate[X, P], R]:
        @wraps(function)
        def call(x: X, /, *args: P.args, **kwargs: P.kwargs) -> R:
            return function(x, options(*args, **kwargs))

        return call

    return decorate
