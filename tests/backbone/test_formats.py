"""Formats of weight files: what is something else is named, and nothing runs code."""

import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dinoseg.backbone.weights import load_file
from dinoseg.errors import CorruptWeights, UnsafeWeights, WeightsMismatch, WeightsNotFound
from tests.networks import small_teacher


class Evil:
    def __reduce__(self):
        return print, ("code ran",)


def test_c46_h104_a_pickle_that_runs_code_is_refused(tmp_path, capsys):
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"state_dict": Evil()}))
    with pytest.raises((UnsafeWeights, CorruptWeights)):
        load_file(tmp_path / "evil.pth")
    torch.save({"teacher": Evil()}, tmp_path / "evil2.pth")
    with pytest.raises(UnsafeWeights, match="may run code"):
        load_file(tmp_path / "evil2.pth")
    assert "code ran" not in capsys.readouterr().out


OTHER_FILES = [
    (b"", "empty"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0d\nsize 9\n", "Git LFS"),
    (b"<!doctype html>", "web page"),
    (b'{"architectures": ["Dinov2Model"]}', "json"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"\x08\x07\x12\x07pytorch", "ONNX"),
    (b"\x1f\x8b\x08\0", "compressed"),
    (b"GGUF\x03\0", "GGUF"),
    (b"\x89PNG\r\n\x1a\n", "picture"),
    (b"just words\n", "no weight file"),
]


@pytest.mark.parametrize(("content", "said"), OTHER_FILES)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_c41_what_is_no_checkpoint_is_named(tmp_path, content, said, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(CorruptWeights, match=said if said != "no weight file" or suffix == ".pth" else "whole"):
        load_file(path)


def test_c41_other_archives_are_named(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(3, 3)), tmp_path / "scripted.pt")
    with pytest.raises(CorruptWeights, match="TorchScript"):
        load_file(tmp_path / "scripted.pt")
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    with pytest.raises(CorruptWeights, match="zip archive"):
        load_file(tmp_path / "arrays.npz")
    torch.save(torch.nn.Linear(3, 3), tmp_path / "module.pt")
    with pytest.raises(UnsafeWeights, match=r"objects of torch\.nn\.modules\.linear\.Linear") as caught:
        load_file(tmp_path / "module.pt")
    assert "weights_only" not in str(caught.value)  # torch's advice to switch safety off


def broken(kind, path):
    state = small_teacher().vit.state_dict()
    torch.save(state, path)
    whole = path.read_bytes()
    content = {
        "empty": b"",
        "a web page": b"<!DOCTYPE html><html>",
        "half a download": whole[: len(whole) // 2],
        "text": b"hello world" * 100,
    }
    path.write_bytes(content[kind])


@pytest.mark.parametrize("kind", ["empty", "a web page", "half a download", "text"])
def test_c40_c41_broken_files_are_named(tmp_path, kind):
    broken(kind, tmp_path / "w.pth")
    with pytest.raises(CorruptWeights, match=r"w\.pth"):
        load_file(tmp_path / "w.pth")


def test_c40_half_a_safetensors_file(tmp_path):
    save_file(small_teacher().vit.state_dict(), tmp_path / "w.safetensors")
    whole = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptWeights, match="fetch it again"):
        load_file(tmp_path / "w.safetensors")


def test_c39_missing_file_is_an_error(tmp_path):
    with pytest.raises(WeightsNotFound, match=r"gone\.pth is not there"):
        load_file(tmp_path / "gone.pth")
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(WeightsNotFound, match=r"pipe\.pth cannot be opened \(it is a folder, a pipe or a device"):
        load_file(tmp_path / "pipe.pth")


def test_c41_a_checkpoint_without_a_state_dict_says_what_it_holds(tmp_path):
    torch.save({"optimizer": {"lr": 1.0}, "epoch": 2}, tmp_path / "w.pth")
    with pytest.raises(WeightsMismatch, match="optimizer, epoch"):
        load_file(tmp_path / "w.pth")
