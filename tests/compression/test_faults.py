"""Every single write, sync, rename and removal of a compression fails or is its last, see ``tests/outputs``."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dinoseg import compression
from dinoseg.compression.aims import AIMS
from dinoseg.compression.heal import Healing
from dinoseg.errors import OutputConflict
from dinoseg.options import CompressOptions
from tests.helpers import write_images
from tests.networks import save_teacher
from tests.outputs.test_faults import Faults, Killed, patched
from tests.training.test_faults import Named


@pytest.fixture(scope="module", autouse=True)
def _quick():
    """Waiting for the disk, and what is learned, change nothing that these tests could see."""

    def step(healing: Healing, *_: object) -> float:
        healing.step += 1
        return 1.0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(Healing, "one_step", step)
        patch.setattr(compression.Judge, "__call__", lambda *_: 1.0)
        patch.setattr(compression, "HELD_OUT_CROPS", 1)
        patch.setattr(compression, "AIMS", dict([*AIMS.items()][:1]))
        yield


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A teacher and photographs."""
    folder = tmp_path_factory.mktemp("inputs")
    save_teacher(folder / "teacher.safetensors")
    write_images(folder / "photos", 20, height=24, width=32)
    return folder


def go(folder: Path, inputs: Path, **changes: object) -> None:
    """One healing of one step."""
    values = {"patch": 6, "neurons": 8, "calibration_crops": 4, "heal_crops": 2, "batch": 2, "grid": 2, "device": "cpu"}
    options = CompressOptions(output=folder / "student.safetensors", **values | changes)
    compression.run_compression(str(inputs / "teacher.safetensors"), [inputs / "photos"], options)


def results(folder: Path) -> dict[str, bytes]:
    """The file, and what else lies there by name."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name: path.read_bytes() if path.parent == folder else b"" for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True], ids=["d51 disk full", "d52 killed"])
def test_fault_at_every_operation(inputs, tmp_path, kill):
    (tmp_path / "whole").mkdir()
    counter = Faults()
    with patched(counter):
        go(tmp_path / "whole", inputs)
    whole = results(tmp_path / "whole")
    assert counter.count > 20
    for at in range(1, counter.count + 1):
        folder = tmp_path / str(at)
        folder.mkdir()
        with patched(Named(at, kill)), pytest.raises(Killed if kill else (OSError, OutputConflict)) as caught:
            go(folder, inputs)
        assert kill or str(folder) in str(caught.value), f"which file is not told at operation {at}: {caught.value}"
        found = results(folder)
        assert found.get("student.safetensors", whole["student.safetensors"]) == whole["student.safetensors"]
        assert kill or not [name for name in found if name.endswith(".tmp")], f"left over at operation {at}"
        go(folder, inputs, resume=True)
        assert results(folder) == whole, f"not the undisturbed result after a fault at operation {at}"
        shutil.rmtree(folder)
