"""Checkpoints appear whole or not at all, and the newest that can be read is found."""

import os
from pathlib import Path

import pytest
import torch

from dinoseg.errors import TrainingError
from dinoseg.training.checkpoint import Checkpoints


def save(checkpoints: Checkpoints, step: int, epoch: int = 1, every: int = 100) -> None:
    checkpoints.save(step, {"weights": torch.full((1000,), float(step))}, epoch=epoch, every=every)


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


@pytest.mark.parametrize(
    ("saved", "left"),
    [
        ((2, 4, 6, 8), [6, 8]),
        ((2, 4, 5), [2, 4, 5]),  # stopped within an epoch: both ends before it stay
        ((2, 4, 5, 6), [4, 6]),  # as if it had not been stopped
        ((2, 3, 4, 5, 6, 8), [6, 8]),
        ((1, 2, 4), [2, 4]),
        ((2, 4, 6, 8, 10, 12, 14), [6, 12, 14]),  # every third epoch for good
    ],
)
def test_what_stays_is_that_of_an_undisturbed_run(saved, left, tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step in saved:
        save(checkpoints, step, epoch=2, every=3)
    assert checkpoints.steps() == left


def test_other_files_among_them_are_left_alone(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 6)
    for name in ("step-00000006 copy.pth", "step-best.pth", "step-7.pth", "notes.txt"):
        (tmp_path / name).write_bytes(b"mine")
    assert checkpoints.load()["step"] == 6
    save(checkpoints, 7)
    checkpoints.clear()
    assert len(list(tmp_path.iterdir())) == 4


def test_equal_states_are_equal_files_whether_made_or_read(tmp_path):
    network = torch.nn.Linear(2, 2)
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.ones(2)).sum().backward()
    optimiser.step()
    state = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, state, epoch=1, every=1)
    read = checkpoints.load()
    checkpoints.save(2, state, epoch=1, every=1)
    made = checkpoints.path(2).read_bytes()
    checkpoints.save(2, {key: read[key] for key in state}, epoch=1, every=1)
    assert checkpoints.path(2).read_bytes() == made


def test_whatever_byte_is_changed_the_state_is_the_same_or_the_one_before_is_used(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(step, {"weights": torch.arange(4.0) + step}, epoch=1, every=1)
    content = checkpoints.path(2).read_bytes()
    for place in range(len(content)):
        for bits in (0x01, 0x10, 0x80, 0xFF):
            damaged = bytearray(content)
            damaged[place] ^= bits
            checkpoints.path(2).write_bytes(damaged)
            state = checkpoints.load()
            assert torch.equal(state["weights"], torch.arange(4.0) + state["step"]), (place, bits)


def test_a_checkpoint_under_the_name_of_another_step_is_not_taken_for_it(tmp_path, caplog):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    checkpoints.path(9).write_bytes(checkpoints.path(1).read_bytes())
    assert checkpoints.load()["step"] == 1
    assert "step-00000009.pth is not the checkpoint of that step" in caplog.text


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
