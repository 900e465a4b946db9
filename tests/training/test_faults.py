"""Every single write, sync, rename and removal of a training run fails or is its last, see ``tests/outputs``: what then
lies in its folder, and what the next run makes of it."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
import torch

from dinoseg.atomic import Unfinished
from dinoseg.errors import OutputConflict
from dinoseg.options import TrainOptions
from dinoseg.training import run_training, watch
from dinoseg.training.learner import Batch, Measures
from dinoseg.training.loop import Trainer
from dinoseg.training.schedules import Settings
from dinoseg.training.start import starting_backbone
from tests.helpers import write_images
from tests.outputs.test_faults import Faults, Killed, patched
from tests.training.test_loop import assert_equal_runs, files, run_until
from tests.training.tiny import options

TORN = "metrics.jsonl"
"""The one file that is appended to: its last line may be torn."""


class Counting:
    """A ``Learner`` that does little: after n steps its weights are n more than at the start."""

    def __init__(self, settings: TrainOptions) -> None:
        self.model = starting_backbone(settings).requires_grad_(False)
        self.loss = 1.0

    def prepare(self, batch: Batch, generator: torch.Generator) -> tuple[()]:
        return ()

    def step(self, settings: Settings) -> Measures:
        for parameter in self.model.parameters():
            parameter += 1
        self.loss /= 2
        return Measures(("loss",), torch.tensor([self.loss]))

    def state(self) -> dict[str, object]:
        return {"model": self.model.state_dict(), "loss": self.loss}

    def load(self, state: dict[str, object]) -> None:
        self.model.load_state_dict(state["model"])
        self.loss = state["loss"]


@pytest.fixture(scope="module", autouse=True)
def _quick():
    """Waiting for the disk, and what is learned, change nothing that these tests could see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(watch, "SHOWN", 1)
        patch.setattr(Trainer, "new_learner", lambda trainer, _: Counting(trainer.options))
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_images(folder, 4, height=16, width=16)
    return folder


def go(output: Path, photos: Path, **changes: object) -> None:
    """Two epochs of two steps, looked at before and after."""
    values = {"epochs": 2, "batch": 2, "watch_every": 2, "save_every": 1, "depth": 1}
    run_training([photos], options(output, **values | changes))


def first(output: Path, photos: Path) -> None:
    """A run from its beginning."""
    go(output, photos)


def stopped(output: Path, photos: Path) -> None:
    """The same, killed within its second epoch."""
    with pytest.MonkeyPatch.context() as patch:
        run_until(3, output, photos, patch, first)


def resumed(output: Path, photos: Path) -> None:
    """The rest of it."""
    go(output, photos, resume=True)


def replaced(output: Path, photos: Path) -> None:
    """Another run takes its place."""
    go(output, photos, seed=1, overwrite=True)


CASES = {"first": [first], "resumed": [stopped, resumed], "replaced": [first, replaced]}


class Named(Faults):
    """As it is without us: what fails by name tells the name, and an unfinished file keeps what was refused."""

    def write(self, real, target, data):
        try:
            return super().write(real, target, data)
        except OSError as error:
            if isinstance(target, Unfinished):
                target.refused = target.refused or error
            raise

    def whole(self, real):
        operation = super().whole(real)

        def named(target, *args, **kwargs):
            try:
                return operation(target, *args, **kwargs)
            except OSError as error:
                raise error if isinstance(target, int) else OSError(error.errno, error.strerror, str(target)) from error

        return named


class Watched(Faults):
    """None fails. Counts, and keeps what ever lay under a final name."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, set[bytes]] = defaultdict(set)

    def whole(self, real):
        operation = super().whole(real)

        def seen(*args, **kwargs):
            result = operation(*args, **kwargs)
            if real is REPLACE:
                self.seen[Path(args[1]).name].add(Path(args[1]).read_bytes())
            return result

        return seen


REPLACE = os.replace


@pytest.fixture(scope="module", params=CASES)
def case(request, photos, tmp_path_factory):
    """The last step of a case, the folder before it, the folder after it, and what was counted."""
    *earlier, step = CASES[request.param]
    before, after, counter = tmp_path_factory.mktemp("x") / "run", tmp_path_factory.mktemp("x") / "run", Watched()
    before.mkdir()
    for one in earlier:
        one(before, photos)
    shutil.copytree(before, after)
    for path in before.rglob("*.*"):
        counter.seen[path.name].add(path.read_bytes() if path.is_file() else b"")
    with patched(counter):
        step(after, photos)
    return step, before, after, counter


def check_names(root: Path, seen: dict[str, set[bytes]]) -> None:
    """Every file under a final name is whole."""
    for name, content in files(root).items():
        last = name.rpartition("/")[2]
        if last == TORN:
            assert all(json.loads(line)["loss"] for line in content.splitlines(keepends=True)[:-1])
        elif last == "report.html":
            assert content.rstrip().endswith(b"</html>")
        elif not last.startswith("."):
            assert content in seen[last], name


@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True], ids=["d51 disk full", "d52 killed"])
def test_fault_at_every_operation(case, photos, tmp_path, kill):
    step, before, after, counter = case
    assert counter.count > 30
    for at in range(1, counter.count + 1):
        root = shutil.copytree(before, tmp_path / str(at) / "run")
        with patched(Named(at, kill)), pytest.raises(Killed if kill else (OSError, OutputConflict)) as caught:
            step(root, photos)
        assert kill or str(root) in str(caught.value), f"which file is not told at operation {at}: {caught.value}"
        check_names(root, counter.seen)
        left = [name for name in files(root) if name.endswith(".tmp")]
        assert kill or not left, f"left over at operation {at}"
        try:
            go(root, photos, resume=True, **({"seed": 1} if step is replaced else {}))
        except OutputConflict:  # it had not begun
            step(root, photos)
        assert_equal_runs(root, after)
        shutil.rmtree(root)
