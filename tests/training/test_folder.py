"""Which folders a run may use, and what a resumed one must have in common with its beginning."""

import json

import pytest
import torch

from dinoseg.errors import NotAnImage, OutputConflict
from dinoseg.training.cache import PhotoCache
from dinoseg.training.folder import RunFolder
from dinoseg.types import Failure
from tests.training.tiny import options

RECORD = '{"options": {}, "photographs": {}, "versions": {}}'
CACHE = PhotoCache(["a.jpg", "b.jpg"], [torch.zeros(3, 4, 4, dtype=torch.uint8)] * 2)


@pytest.mark.parametrize(
    ("there", "flags", "told"),
    [
        (None, {}, None),
        ("empty", {}, None),
        ("run", {}, "pass --resume to go on with it"),
        ("run", {"resume": True}, None),
        ("run", {"overwrite": True}, None),
        (None, {"resume": True}, "no run to go on with"),  # a slip in the name must not start a new run
        ("foreign", {}, "holds other files"),
        ("foreign", {"overwrite": True}, "holds other files"),  # never delete what is not ours
        ("file", {}, "is a file"),
    ],
)
def test_d55_folders_in_the_way_are_refused_before_any_work(there, flags, told, tmp_path):
    output = tmp_path / "run"
    if there == "file":
        output.write_text("text")
    elif there:
        output.mkdir()
        if there != "empty":
            (output / ("run.json" if there == "run" else "notes.txt")).write_text(RECORD)
    if told is None:
        RunFolder(options(output, **flags))
    else:
        with pytest.raises(OutputConflict, match=told):
            RunFolder(options(output, **flags))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"save_every": 7, "cache": "memory", "batch": 2, "accumulate": 2}, None),  # do not decide what is learned
        ({"warmup_epochs": None}, None),  # comes to the same 1
        ({"lr": 0.1}, "lr: there 0.05, now 0.1"),
        ({"weight_decay": (0.04, 0.2)}, "weight_decay: there"),
        ({"seed": 3, "epochs": 4}, "epochs: there 3, now 4; seed: there 0, now 3"),
    ],
)
def test_f85_resuming_with_other_options_is_refused(changes, told, tmp_path):
    RunFolder(options(tmp_path)).begin(CACHE, {})
    again = RunFolder(options(tmp_path, resume=True, **changes))
    if told is None:
        again.begin(CACHE, {})
    else:
        with pytest.raises(OutputConflict, match=told):
            again.begin(CACHE, {})


def test_f85_resuming_with_another_number_of_photographs_per_step_is_refused(tmp_path):
    RunFolder(options(tmp_path)).begin(CACHE, {"photographs_per_step": 4})
    with pytest.raises(OutputConflict, match="photographs_per_step: there 4, now 8"):
        RunFolder(options(tmp_path, resume=True)).begin(CACHE, {"photographs_per_step": 8})


def test_f85_resuming_with_other_photographs_is_refused(tmp_path):
    RunFolder(options(tmp_path)).begin(CACHE, {})
    fewer = PhotoCache(CACHE.ids[:1], CACHE.photos[:1])
    with pytest.raises(OutputConflict, match="photographs count: there 2, now 1"):
        RunFolder(options(tmp_path, resume=True)).begin(fewer, {})


def test_overwriting_removes_what_the_earlier_run_wrote_and_nothing_else(tmp_path):
    folder = RunFolder(options(tmp_path))
    folder.begin(CACHE, {})
    for path in (folder.metrics, folder.model, folder.non_finite, tmp_path / "notes.txt"):
        path.write_text("old")
    folder.checkpoints.save(3, {}, epoch=1, every=1)
    RunFolder(options(tmp_path, overwrite=True, seed=1)).begin(CACHE, {})
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "broken.jsonl", "checkpoints", "notes.txt"}
    assert folder.checkpoints.steps() == []
    assert json.loads(folder.record.read_text())["options"]["seed"] == 1


def test_f83_broken_photographs_are_listed(tmp_path):
    failure = Failure("b\udcff.jpg", NotAnImage("b.jpg: is a web page"))  # a name with an undecodable byte
    folder = RunFolder(options(tmp_path))
    folder.begin(PhotoCache(CACHE.ids, CACHE.photos, [failure]), {})
    line = {"id": "b\udcff.jpg", "reason": "not_an_image", "error": "b.jpg: is a web page"}
    assert [json.loads(text) for text in folder.broken.read_text().splitlines()] == [line]


def test_metrics_of_steps_that_are_done_again_are_dropped(tmp_path):
    folder = RunFolder(options(tmp_path))
    line = '{"step": %d, "epoch": 0, "loss": 1.0, "images_per_second": 1.0}\n'
    folder.metrics.write_text("".join(line % step for step in range(3)) + '{"ste')  # killed while writing
    with folder.open_metrics(2) as metrics:
        metrics.write((line % 2).encode())
    assert [json.loads(text)["step"] for text in folder.metrics.read_text().splitlines()] == [0, 1, 2]


@pytest.mark.parametrize("record", ["", "{", "[]", '{"options": 3}', "\xff", "[" * 10**5], ids=range(6))
def test_a_damaged_record_is_told_and_can_be_replaced(record, tmp_path):
    (tmp_path / "run.json").write_text(record)
    with pytest.raises(OutputConflict, match=r"run\.json is damaged: .*--overwrite"):
        RunFolder(options(tmp_path, resume=True))
    RunFolder(options(tmp_path, overwrite=True)).begin(CACHE, {})
    RunFolder(options(tmp_path, resume=True)).begin(CACHE, {})


def test_lines_that_are_none_of_ours_are_left_out_and_told(tmp_path, caplog):
    folder = RunFolder(options(tmp_path))
    line = '{"step": 0, "epoch": 0, "loss": 2.0, "images_per_second": 1.0}'
    folder.metrics.write_bytes(f'{line}\n\0\0\0\n[1]\n{{"step": "x"}}\n'.encode() + b"\xff\n")
    assert [found["loss"] for found in folder.steps()] == [2.0]
    assert "metrics.jsonl is damaged: 4 of its 5 lines are left out" in caplog.text
    folder.watched.write_text('{"step": 0, "epoch": 0, "strip": "watch/../../x.png"}\n' * 2)
    assert folder.looks() == []
