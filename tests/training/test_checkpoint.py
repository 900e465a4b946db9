"""Checkpoints appear whole or not at all, and the newest that can be read is found."""

import os
from pathlib import Path

import pytest
import torch

from dinoseg.errors import TrainingError
from dinoseg.training.checkpoint import Checkpoints


def save(checkpoints: Checkpoints, step: int, every: int = 100) -> None:
    checkpoints.save(step, {"weights": torch.full((1000,), float(step))}, keep=lambda done: done % every == 0)


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut":
        del content[len(content) // 2 :]
    elif how == "empty":
        content.clear()
    else:  # one byte of a tensor
        content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_newest_two_and_those_to_keep_stay(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for step in range(1, 8):
        save(checkpoints, step, every=3)
    assert checkpoints.steps() == [3, 6, 7]
    save(checkpoints, 8, every=3)
    assert checkpoints.steps() == [3, 6, 7, 8]


@pytest.mark.parametrize("how", ["cut", "empty", "byte"])
def test_f86_a_damaged_checkpoint_makes_way_for_the_one_before(how, tmp_path, caplog):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    save(checkpoints, 2)
    assert checkpoints.load()["step"] == 2
    damage(checkpoints.path(2), how)
    state = checkpoints.load()
    assert state["step"] == 1
    assert (state["weights"] == 1).all()
    assert "step-00000002.pth is damaged" in caplog.text


def test_f86_all_damaged_is_an_error_and_none_is_a_start(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.load() is None
    save(checkpoints, 1)
    damage(checkpoints.path(1), "cut")
    with pytest.raises(TrainingError, match="--overwrite"):
        checkpoints.load()


def test_h104_a_checkpoint_that_wants_to_run_code_is_not_loaded(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    torch.save({"step": 1, "weights": os.getcwd}, checkpoints.path(1))
    with pytest.raises(TrainingError):
        checkpoints.load()


@pytest.mark.parametrize("fault", ["fsync", "replace"])
def test_d51_f87_a_full_disk_keeps_the_checkpoint_before(fault, tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    owner = os if fault == "fsync" else Path

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(owner, fault, full)
    with pytest.raises(OSError, match="No space left"):
        save(checkpoints, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.pth"]
    assert checkpoints.load()["step"] == 1


def test_d52_leftovers_of_a_killed_process_are_removed(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    (tmp_path / ".0123.tmp").write_bytes(b"half a checkpoint")
    save(checkpoints, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.pth"]
