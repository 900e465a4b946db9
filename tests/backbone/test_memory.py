"""Memory that ran out, on any device."""

import importlib

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.memory import on_device, out_of_memory, within_memory
from dinoseg.backbone.vit import resize_positions
from dinoseg.backbone.zoo import put_on
from dinoseg.cli import run
from dinoseg.errors import DeviceError, OutOfMemory
from tests.helpers import exhaust_opencv, write_images
from tests.networks import save_teacher, small_teacher

MPS, CPU = torch.device("mps"), torch.device("cpu")
ABSENT = NotImplementedError("The operator 'aten::linalg_eigh' is not currently implemented for the MPS device.\nmore")


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.empty(10**15),  # a plain RuntimeError
        lambda: np.empty(10**15),
        exhaust_opencv,  # an error of its own
    ],
)
def test_e75_what_no_machine_has(allocate):
    with pytest.raises((RuntimeError, MemoryError, cv2.error)) as caught:
        allocate()
    assert out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("too much"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18.00 GB)"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
        (cv2.error("something else"), False),  # whatever OpenCV said last
    ],
)
def test_errors(error, expected):
    assert out_of_memory(error) is expected


def test_a_block_says_what_did_not_fit_and_lets_other_errors_through():
    with pytest.raises(OutOfMemory, match=r"^a\.jpg: too large$"), within_memory("a.jpg: too large"):
        exhaust_opencv()
    with pytest.raises(cv2.error), within_memory("a.jpg: too large"):
        cv2.resize(np.zeros((2, 2), np.uint8), (0, 0))


@pytest.mark.parametrize(
    "error",
    [
        ABSENT,
        RuntimeError("CUDA error: no kernel image is available for execution on the device"),
        TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."),
    ],
)
def test_e76_what_a_device_cannot_do_says_what_can(error):
    with (
        pytest.raises(DeviceError, match=r"--device mps cannot do this \(.*\): use --device cpu\.$"),
        on_device(MPS, ""),
    ):
        raise error


@pytest.mark.parametrize(
    ("device", "error"), [(CPU, ABSENT), (MPS, RuntimeError("shapes do not fit")), (MPS, KeyError())]
)
def test_defects_stay_what_they_are(device, error):
    with pytest.raises(type(error)), on_device(device, ""):
        raise error


@pytest.mark.parametrize("rule", ["offset", "antialias"])
def test_a_position_table_is_resized_on_the_cpu_where_the_device_cannot(rule, monkeypatch):
    table = torch.randn(1, 17, 6, generator=torch.Generator().manual_seed(0))
    expected = resize_positions(table, (5, 7), rule)
    resize, asked = F.interpolate, []

    def lacking(x, *arguments, **options):
        asked.append(x.device)
        if len(asked) == 1:
            raise ABSENT
        return resize(x, *arguments, **options)

    monkeypatch.setattr(F, "interpolate", lacking)
    torch.testing.assert_close(resize_positions(table, (5, 7), rule), expected, atol=0, rtol=0)
    assert asked == [CPU, CPU]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ABSENT, "cannot do this"),
        (RuntimeError("MPS backend failed"), "cannot do this"),
        (torch.OutOfMemoryError("too much"), "does not fit into the memory of mps: use --device cpu"),
    ],
)
def test_a_device_that_does_not_take_a_network_is_told(monkeypatch, error, told):
    def to(self, device):
        raise error

    monkeypatch.setattr(Backbone, "to", to)
    with pytest.raises(DeviceError, match=told):
        put_on(small_teacher(), MPS)


@pytest.mark.parametrize("verb", ["train", "compress", "train-head"])
def test_verbs_that_learn_say_what_the_device_lacks(tmp_path, monkeypatch, capsys, verb):
    def fails(*args, **kwargs):
        raise ABSENT

    def on_mps(device, told, on=on_device):  # there is none here: what runs on the CPU stands for it
        return on(MPS, told)

    rooms = {"train": "dinoseg.training.loop", "compress": "dinoseg.compression", "train-head": "dinoseg.heads.run"}
    learns = {"train": "Trainer", "compress": "Judge", "train-head": "fit_head"}
    room = importlib.import_module(rooms[verb])
    monkeypatch.setattr(room, learns[verb], fails)
    monkeypatch.setattr(room, "on_device", on_mps)
    write_images(tmp_path / "photos", 24)
    save_teacher(tmp_path / "w.safetensors")
    photos, model, output = (str(tmp_path / name) for name in ("photos", "w.safetensors", "out.safetensors"))
    commands = {
        "train": [
            "train",
            photos,
            "-o",
            str(tmp_path / "run"),
            "--batch",
            "4",
            "--global-size",
            "32",
            "--local-size",
            "16",
        ],
        "compress": ["compress", model, photos, "-o", output, "--heads", "2", "--neurons", "48"],
        "train-head": ["train-head", photos, "-o", output],
    }
    assert run([*commands[verb], "--device", "cpu"]) == 2
    assert "--device mps cannot do this (The operator 'aten::linalg_eigh'" in capsys.readouterr().err
