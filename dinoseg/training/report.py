"""One page that shows a run: ``report.html``, without anything from elsewhere, made of what lies in the folder."""

from __future__ import annotations

import base64
import io
import math
import os
import platform
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

import jinja2
import torch
from PIL import Image

from dinoseg.atomic import atomic_write
from dinoseg.options import TrainOptions
from dinoseg.training.curves import Chart, Points
from dinoseg.training.folder import RunFolder
from dinoseg.training.monitor import findings, means

TEMPLATE = "report.html.jinja"
STRIPS = 10
"""At most so many rows of attention, the first and the last among them."""
QUALITY = 82
LAST = 0.1
"""Of the steps: over them speed is the median."""
DEFAULTS = {field.name: field.default for field in fields(TrainOptions) if field.default is not MISSING}


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """What a run's folder tells."""

    folder: RunFolder
    run: Mapping[str, Any]
    steps: Sequence[Mapping[str, Any]]
    """Lines of ``metrics.jsonl``."""
    watched: Sequence[Mapping[str, Any]]
    """Lines of ``watch.jsonl``."""
    steps_per_epoch: int

    @classmethod
    def of(cls, folder: RunFolder, steps_per_epoch: int) -> History:
        """Read the history of a run from its folder."""
        return cls(folder, folder.begun(), folder.steps(), folder.looks(), steps_per_epoch)

    def line(self, name: str, scale: float = 1.0) -> Points:
        """One measure of the steps over epochs."""
        return [(step["step"] / self.steps_per_epoch, scale * step[name]) for step in self.steps if name in step]

    def scores(self, name: str) -> Points:
        """One measure of the watch over epochs, in per cent."""
        return [(float(look["epoch"]), 100 * look[name]) for look in self.watched if name in look]

    @property
    def floors(self) -> dict[str, float]:
        """What k-NN must leave behind, in per cent."""
        first: Mapping[str, Any] = next((look for look in self.watched if "knn" in look), {})
        names = {"raw pixels": "knn_pixels", "the most frequent class": "chance"}
        return {name: 100 * first[key] for name, key in names.items() if key in first}

    @property
    def done(self) -> bool:
        """Whether all steps were done."""
        return len(self.steps) >= self.folder.options.epochs * self.steps_per_epoch

    @property
    def epochs(self) -> dict[int, list[Mapping[str, Any]]]:
        """Steps by epoch, from 1."""
        found = defaultdict(list)
        for step in self.steps:
            found[step["epoch"] + 1].append(step)
        return found


def write_report(history: History, images: Sequence[str | Path]) -> None:
    """Write ``report.html`` whole or not at all. ``images`` is what the run was started with."""
    template = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(
        Path(__file__).with_name(TEMPLATE).read_text(encoding="utf-8")
    )
    options = history.folder.options
    page = template.render(
        title=f"{'Distillation' if options.distil_from else 'DINO'} run {history.folder.path.resolve().name}",
        about=about(history),
        cards=cards(history),
        warnings=list(warnings(history)),
        charts=list(charts(history)),
        strips=list(strips(history)),
        commands=commands(history, images),
        options=[(name, show(value), value != DEFAULTS.get(name)) for name, value in asked(options).items()],
        machine=machine(history),
    )
    with atomic_write(history.folder.report) as file:
        file.write(page.encode("utf-8", "replace"))


def about(history: History) -> str:
    """One sentence on network and data."""
    network, options = history.run["network"], history.folder.options
    start = f"from {options.init}" if options.init else "from random weights"
    learned = f"learning from {options.distil_from}" if options.distil_from else "by the recipe of DINO, without labels"
    if network.get("architecture"):
        return f"The convolutional network {network['architecture']}, {start}, {learned}."
    shape = f"width {network['width']}, depth {network['depth']}, patch {network['patch']}"
    return f"A Vision Transformer ({shape}), {start}, {learned}."


def cards(history: History) -> list[tuple[str, str]]:
    """The figures at the top."""
    options, done = history.folder.options, len(history.steps)
    found = [("photographs", f"{history.run['photographs']['count']:,}")]
    found.append(("epochs done", f"{done / history.steps_per_epoch:.3g} of {options.epochs}"))
    if history.steps:
        recent = history.steps[-max(1, int(LAST * done)) :]
        seconds = sum(history.run["photographs_per_step"] / step["images_per_second"] for step in history.steps)
        found.append(("photographs per second", f"{median(step['images_per_second'] for step in recent):.3g}"))
        found.append(("time in steps", duration(seconds)))
        last = [step["loss"] for step in history.steps[-history.steps_per_epoch :]]
        found.append(("loss, last epoch", f"{sum(last) / len(last):.4g}"))
    scores = history.scores("knn")
    if scores:
        found.append(("k-NN, before and now", f"{scores[0][1]:.1f} → {scores[-1][1]:.1f} %"))
    return found


def warnings(history: History) -> Iterator[str]:
    """What went wrong in which epoch; the last of each kind."""
    options = history.folder.options
    told: dict[str, str] = {}
    for epoch, steps in history.epochs.items():
        if epoch > options.warmup:
            told |= {kind: f"Epoch {epoch}: {text}." for kind, text in findings(means(steps), options).items()}
    yield from told.values()
    yield from below_floors(history)


def below_floors(history: History) -> Iterator[str]:
    """What speaks against the network of a run that is done: neighbours that tell no more than a floor."""
    scores = [score for _, score in history.scores("knn")]
    if not history.done or not scores:
        return
    floors = [f"{name} ({value:.1f} %)" for name, value in history.floors.items() if scores[-1] <= value < 100]
    if floors:
        advice = "train longer, on more photographs, or begin with --init builtin"
        yield f"k-NN by folder names ({scores[-1]:.1f} %) is not above {' and '.join(floors)}: {advice}."


def charts(history: History) -> Iterator[Chart]:
    """The curves, those that show learning first."""
    share = 1 / math.log(history.folder.options.prototypes)
    scores = history.scores("knn")
    if scores:
        first = next(look for look in history.watched if "knn" in look)
        told = f"Top-1 in % of {first.get('pictures', 'the')} pictures, each by its nearest others; higher is better."
        yield Chart("k-NN by folder names", told, {"network": scores}, history.floors)
    yield Chart("Loss", "What is minimised; of DINO in nats.", {"loss": history.line("loss")})
    found = {"teacher": history.line("teacher_entropy", share), "student": history.line("student_entropy", share)}
    if found["teacher"]:
        yield Chart(
            "Entropy of the answers", "As a share of ln K; a teacher that stays at 0 or 1 has collapsed.", found
        )
        yield Chart(
            "Spread of the features",
            "0: the same for every photograph; 1: as far apart as can be.",
            {"teacher": history.line("spread")},
        )
    if history.line("cosine"):
        yield Chart(
            "Likeness to the teacher", "Cosine of patch tokens; 1 is the teacher.", {"cosine": history.line("cosine")}
        )
    yield Chart("Learning rate", "Of AdamW.", {"learning rate": history.line("lr")})
    yield Chart("Speed", "Photographs per second.", {"photographs per second": history.line("images_per_second")})


def strips(history: History) -> Iterator[tuple[str, str]]:
    """Rows of pictures with their labels, as JPEG in base64: the photographs, then attention as it changed."""
    looks = [look for look in history.watched if "strip" in look and (history.folder.path / look["strip"]).exists()]
    last = max(1, min(STRIPS, len(looks)) - 1)
    for number, place in enumerate(sorted({round(index * (len(looks) - 1) / last) for index in range(last + 1)})):
        if not looks:
            return
        with Image.open(history.folder.path / looks[place]["strip"]) as strip:
            width, height = strip.size
            if number == 0:
                yield "photographs", jpeg(strip.crop((0, 0, width, height // 2)))
            epoch, peak = looks[place]["epoch"], looks[place].get("peak")
            told = f", peak {peak:.1f}" if peak else ""
            yield (f"epoch {epoch}" if epoch else "start") + told, jpeg(strip.crop((0, height // 2, width, height)))


def jpeg(picture: Image.Image) -> str:
    """A picture as a JPEG in base 64, for the page."""
    content = io.BytesIO()
    picture.convert("RGB").save(content, "JPEG", quality=QUALITY)
    return base64.b64encode(content.getvalue()).decode()


def commands(history: History, images: Sequence[str | Path]) -> list[str]:
    """What to type next: go on, or use what came out; the built-in model where that is worth nothing."""
    options = history.folder.options
    photos = [str(path) for path in images] or ["--from-file", str(options.from_file)]
    if not history.done:
        return [shlex.join(["dinoseg", "train", *map(str, images), *words(options), "--resume"])]
    model = [] if any(below_floors(history)) else ["--model", str(history.folder.model)]
    convolutional = history.run["network"].get("architecture")  # the default method needs attention
    method = ["--method", "tokencut"] if convolutional and model else []
    found = [["dinoseg", "segment", *photos, "-o", "masks", *model, *method]]
    if history.scores("knn") and images:
        found.append(["dinoseg", "evaluate", "knn", *photos[:1], *model])
    return [shlex.join(command) for command in found]


def words(options: TrainOptions) -> list[str]:
    """The options that are not the defaults, as they are typed."""
    typed = ["-o", str(options.output)]
    for name, value in asked(options).items():
        if value != DEFAULTS.get(name):
            flag = name.replace("_", "-")
            if isinstance(value, bool):
                typed.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                typed += [f"--{flag}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    return typed


def asked(options: TrainOptions) -> dict[str, Any]:
    """Options but for those that say how this call began."""
    left_out = ("output", "resume", "overwrite", "offline")
    return {field.name: getattr(options, field.name) for field in fields(options) if field.name not in left_out}


def show(value: object) -> str:
    """An option's value as people write it."""
    if value is None:
        return "–"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def duration(seconds: float) -> str:
    """``1 h 05 min``, ``12 min`` or ``40 s``."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if minutes >= 2 else f"{seconds:.0f} s"


def machine(history: History) -> list[tuple[str, str]]:
    """Hardware of this call, and what the run was begun with."""
    device = history.folder.options.device
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() and device != "cpu" else "none used"
    facts = [("processor", f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads of torch")]
    facts += [("GPU", gpu), ("system", platform.system()), ("Python", platform.python_version())]
    facts += list(history.run["versions"].items())
    facts.append(("photographs, sha256", history.run["photographs"]["sha256"][:16]))
    return facts
