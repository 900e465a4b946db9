"""How a network is trained."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dinoseg.errors import OptionError
from dinoseg.options.declare import FREE, Flag, Options, Whole, require

LARGEST = {
    "epochs": 1_000_000,
    "batch": 1_000_000,
    "accumulate": 1_000_000,
    "patch": 128,
    "width": 8192,
    "depth": 256,
    "heads": 256,
    "global_size": 4096,
    "local_size": 4096,
}
"""Beyond is no training, but a slip of the hand."""
SCRATCH = {"patch": 16, "width": 192, "depth": 12, "heads": 3}
"""The shape of a network from scratch where the options do not say."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrainOptions(Options):
    """The DINO recipe (Caron et al. 2021) at a size that a small machine can train."""

    output: Annotated[Path, Parameter(alias="-o")] = field(metadata=FREE)
    """Folder of the run."""
    resume: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Go on from the newest checkpoint in the folder."""
    overwrite: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Start again although the folder holds a run."""
    offline: Annotated[bool, Flag] = field(default=False, metadata=FREE)
    """Never use the network: --init and --distil-from must be on this machine."""
    device: str = field(default="auto", metadata=FREE)
    """auto, cpu, cuda, cuda:1 or mps."""
    seed: Whole = 0
    """Of weights, order and augmentation."""
    epochs: Whole = 100
    """Passes over the photographs."""
    batch: Whole = field(default=64, metadata=FREE)
    """Photographs that go through the network at once, in each process."""
    accumulate: Whole = field(default=1, metadata=FREE)
    """Batches per step: the result of a batch N times as large, in the memory of one."""
    recipe: Literal["dino"] = "dino"
    """What is learned: DINO as published."""
    init: str | None = None
    """Start from this network: a name of `dinoseg models`, or a weight file (default: from scratch)."""
    arch: str | None = None
    """A convolutional network from scratch instead of a Vision Transformer, by timm's name: resnet50."""
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
    warmup_epochs: Whole | None = None
    """Linear warm-up of the learning rate (default: 10, at most half of --epochs)."""
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
    """Of the student, rising linearly over depth; a convolutional network has none, as published."""
    clip: float = 3.0
    """Largest gradient norm, per tensor."""
    save_every: Whole = field(default=20, metadata=FREE)
    """Epochs between checkpoints that are kept."""
    watch_every: Whole = field(default=10, metadata=FREE)
    """Epochs between looks at the network: k-NN by names of folders, attention of fixed photographs (0: never)."""
    from_file: Path | None = field(default=None, metadata=FREE)
    """A text file with one path a line, relative to that file, instead of IMAGES."""
    max_broken: float = field(default=0.05, metadata=FREE)
    """Share of the photographs that may be unreadable; with more, training does not start or stops."""
    cache: Literal["auto", "device", "memory", "disk"] = field(default="auto", metadata=FREE)
    """Where photographs wait, decoded; disk: they are decoded again for every epoch. auto: by what is free."""
    amp: Literal["auto", "off"] = "auto"
    """Mixed precision (auto: on a GPU)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resume and self.overwrite:
            raise OptionError("--resume goes on with a run and --overwrite starts it again: choose one.")
        require(self.seed >= 0, "--seed", self.seed, "0 or more")
        for name, most in LARGEST.items():
            value = getattr(self, name)
            require(value is None or 1 <= value <= most, f"--{name.replace('_', '-')}", value, f"1..{most}")
        require(self.save_every >= 1, "--save-every", self.save_every, "1 or more")
        require(self.watch_every >= 0, "--watch-every", self.watch_every, "0 or more")
        require(0 <= self.max_broken <= 1, "--max-broken", self.max_broken, "0..1")
        self._check_start()
        self._check_views()
        self._check_rates()

    @property
    def step_batch(self) -> int:
        """Photographs per step of one process."""
        return self.batch * self.accumulate

    @property
    def warmup(self) -> int:
        """Epochs of linear warm-up: the published 10 where there is room."""
        return min(10, self.epochs // 2) if self.warmup_epochs is None else self.warmup_epochs

    def _check_start(self) -> None:
        width, heads = self.width or SCRATCH["width"], self.heads or SCRATCH["heads"]
        require(self.init is not None or width % heads == 0, "--width", width, f"a multiple of --heads ({heads})")
        require(0 < self.layer_decay <= 1, "--layer-decay", self.layer_decay, "above 0, at most 1")
        require(self.freeze_blocks >= 0, "--freeze-blocks", self.freeze_blocks, "0 or more")
        require(0 <= self.teacher_cache <= 1e6, "--teacher-cache", self.teacher_cache, "0..1000000 GiB")
        if self.arch is not None and self.init is not None:
            raise OptionError("--init says what the network is: leave out --arch.")
        if self.init is None and (self.layer_decay != 1 or self.freeze_blocks):
            raise OptionError("--layer-decay and --freeze-blocks are for a network that has learned: add --init.")
        if self.distil_from is not None:
            require(self.batch > 1, "--batch", self.batch, "2 or more with --distil-from")
        if self.distil_from is not None and self.accumulate > 1:
            raise OptionError("--accumulate is for DINO's own loss: leave it out with --distil-from.")
        if self.distil_from is None and self.teacher_cache:
            raise OptionError("--teacher-cache keeps the outputs of a frozen teacher: add --distil-from.")

    def _check_views(self) -> None:
        patch = self.patch or (
            1 if self.init or self.arch else SCRATCH["patch"]
        )  # a file's own is looked at when it is read
        for name, size in (("--global-size", self.global_size), ("--local-size", self.local_size)):
            require(size >= patch and size % patch == 0, name, size, f"a multiple of --patch ({patch})")
        require(0 <= self.local_crops <= 64, "--local-crops", self.local_crops, "0..64")
        require(2 <= self.prototypes <= 2**24, "--prototypes", self.prototypes, f"2..{2**24}")

    def _check_rates(self) -> None:
        require(0 < self.lr <= 1, "--lr", self.lr, "above 0, at most 1")
        for name, epochs in (
            ("--warmup-epochs", self.warmup),
            ("--teacher-temp-epochs", self.teacher_temp_epochs),
        ):
            require(0 <= epochs <= self.epochs, name, epochs, f"within --epochs (0..{self.epochs})")
        require(all(0 <= w <= 100 for w in self.weight_decay), "--weight-decay", self.weight_decay, "0..100")
        require(0 <= self.momentum <= 1, "--momentum", self.momentum, "0..1")
        require(all(1e-3 <= t <= 100 for t in self.teacher_temp), "--teacher-temp", self.teacher_temp, "0.001..100")
        require(self.freeze_last_layer >= 0, "--freeze-last-layer", self.freeze_last_layer, "0 or more")
        require(0 <= self.drop_path < 1, "--drop-path", self.drop_path, "0 or more and below 1")
        require(self.clip > 0, "--clip", self.clip, "above 0")
