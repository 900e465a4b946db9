from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dinoseg.cli import doctor, run


def test_it_says_what_one_needs_for_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert not err
    for told in ("python", torch.__version__, "torch threads", "free in", "builtin", "warnings"):
        assert told in out


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert list(facts) == ["versions", "device", "threads", "disk", "models", "warnings"]
    assert torch.__version__.startswith(facts["versions"]["torch"])
    assert facts["threads"]["cores"] >= 1


@pytest.fixture
def linux_without_gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine on which torch is built for CUDA and finds none."""
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return monkeypatch


def fail(message: str) -> None:
    raise RuntimeError(message)


def test_why_no_gpu__cpu_build(linux_without_gpu: pytest.MonkeyPatch) -> None:
    linux_without_gpu.setattr(torch.version, "cuda", None)
    linux_without_gpu.setattr(torch.version, "hip", None)
    assert "built for the CPU only" in doctor.device()["no gpu because"]


@pytest.mark.parametrize("value", ["", "-1", " "])
def test_why_no_gpu__hidden(linux_without_gpu: pytest.MonkeyPatch, value: str) -> None:
    linux_without_gpu.setenv("CUDA_VISIBLE_DEVICES", value)
    assert "hides every GPU" in doctor.why_no_gpu()


def test_why_no_gpu__no_driver(linux_without_gpu: pytest.MonkeyPatch) -> None:
    linux_without_gpu.setattr(torch.cuda, "init", lambda: fail("Found no NVIDIA driver\n on your system."))
    assert doctor.why_no_gpu() == "Found no NVIDIA driver on your system."


def test_why_no_gpu__mac(linux_without_gpu: pytest.MonkeyPatch) -> None:
    linux_without_gpu.setattr(doctor.sys, "platform", "darwin")
    assert "Metal" in doctor.why_no_gpu()


def test_a_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")
    assert doctor.device().items() >= {("auto", "cuda"), ("gpu", "GPU 0, GPU 1")}


@pytest.mark.parametrize(
    ("packages", "warned"),
    [
        (["opencv-python-headless"], False),
        (["opencv-python"], False),
        (["opencv-python", "opencv-python-headless"], True),
        (["opencv-python-headless", "opencv-contrib-python"], True),
    ],
)
def test_e74_two_cv2_packages_are_warned_of(monkeypatch: pytest.MonkeyPatch, packages: list[str], warned: bool) -> None:
    monkeypatch.setattr(doctor, "installed", lambda name: "4" if name in packages else None)
    assert any(" and ".join(packages) in warning for warning in doctor.warnings()) == warned


def test_free_space_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert doctor.free(tmp_path / "not" / "there").endswith(" GB")
