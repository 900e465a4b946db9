"""Reading weight files: every layout, every wrong file, and nothing that can run code."""

import argparse
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from dinoseg.backbone.export import packed, save_backbone
from dinoseg.backbone.vit import Backbone, BackboneSpec
from dinoseg.backbone.weights import build, load_file, sha256
from dinoseg.errors import CorruptWeights, UnsafeWeights, WeightsMismatch, WeightsNotFound


def tiny(family="dino", **changes):
    torch.manual_seed(0)
    facts = {"patch": 8, "width": 64, "depth": 2, "heads": 1, "hidden": 96, "registers": 0, "positions": "offset"}
    spec = BackboneSpec("tiny", family, **{**facts, **changes}, layer_scale=family.startswith("dinov2"))
    return Backbone(build(spec), spec).eval()


def same_tokens(one, other):
    images = torch.randn(1, 3, 24, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return torch.allclose(one.tokens(images), other.tokens(images), atol=1e-6)


def wrapped(state, prefix):
    return {prefix + key: value for key, value in state.items()}


LAYOUTS = {
    "plain state dict": lambda state: state,
    "under teacher, backbone. prefix": lambda state: {"teacher": wrapped(state, "backbone."), "student": {}},
    "student of DDP, module.backbone.": lambda state: {"student": wrapped(state, "module.backbone."), "epoch": 3},
    "with a head and a mask token beside it": lambda state: {
        **state, "head.mlp.0.weight": torch.zeros(3, 3), "mask_token": torch.zeros(1, 64)
    },
    "official training file with Namespace": lambda state: {"teacher": state, "args": argparse.Namespace(arch="x")},
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_network(tmp_path, layout, caplog):
    caplog.set_level("INFO")
    backbone = tiny()
    torch.save(LAYOUTS[layout](backbone.vit.state_dict()), tmp_path / "w.pth")
    loaded = load_file(tmp_path / "w.pth")
    assert same_tokens(backbone, loaded)
    assert (loaded.spec.patch, loaded.spec.width, loaded.spec.depth, loaded.spec.hidden) == (8, 64, 2, 96)
    assert loaded.spec.sha256 == sha256(tmp_path / "w.pth")
    assert not any(p.requires_grad for p in loaded.parameters())
    assert ("under 'teacher'" in caplog.text) == ("teacher" in LAYOUTS[layout]({}))  # c41: which part was used


def test_c44_prefixes_are_stripped_only_at_the_front(tmp_path):
    state = tiny().vit.state_dict()
    state["blocks.0.backbone.attn.qkv.weight"] = state.pop("blocks.0.attn.qkv.weight")
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsMismatch, match=r"blocks\.0\.attn\.qkv\.weight"):
        load_file(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("family", "changes", "expected"),
    [
        ("dino", {}, ("dino", "offset", 0)),
        ("dinov2", {}, ("dinov2", "offset", 0)),
        ("dinov2-registers", {"registers": 4, "positions": "antialias"}, ("dinov2-registers", "antialias", 4)),
        ("dinov3", {"registers": 4, "positions": "rope"}, ("dinov3", "rope", 4)),
    ],
)
def test_family_and_position_rule_are_read_off_the_tensors(tmp_path, family, changes, expected):
    backbone = tiny(family, **changes)
    save_file(backbone.vit.state_dict(), tmp_path / "w.safetensors")
    loaded = load_file(tmp_path / "w.safetensors")
    assert (loaded.spec.family, loaded.spec.positions, loaded.spec.registers) == expected
    assert same_tokens(backbone, loaded)


def test_official_register_names_and_timms_folded_table_load(tmp_path):
    backbone = tiny("dinov2-registers", registers=4, positions="antialias")
    state = backbone.vit.state_dict()
    official = {("register_tokens" if key == "reg_token" else key): value for key, value in state.items()}
    torch.save(official, tmp_path / "official.pth")
    folded = {
        **state,
        "cls_token": state["cls_token"] + state["pos_embed"][:, :1],
        "pos_embed": state["pos_embed"][:, 1:],
    }
    torch.save(folded, tmp_path / "timm.pth")
    assert same_tokens(backbone, load_file(tmp_path / "official.pth"))
    assert same_tokens(backbone, load_file(tmp_path / "timm.pth"))


def test_positions_timm_is_another_rule(tmp_path):
    torch.save(tiny().vit.state_dict(), tmp_path / "w.pth")
    assert load_file(tmp_path / "w.pth", positions="timm").spec.positions == "antialias"


def test_heads_from_the_option_the_header_or_the_width(tmp_path):
    state = tiny().vit.state_dict()
    torch.save(state, tmp_path / "w.pth")
    assert load_file(tmp_path / "w.pth").spec.heads == 1  # 64 / 64
    assert load_file(tmp_path / "w.pth", heads=4).spec.heads == 4
    save_file(state, tmp_path / "w.safetensors", metadata={"num_heads": "2"})
    assert load_file(tmp_path / "w.safetensors").spec.heads == 2
    with pytest.raises(WeightsMismatch, match="3 does not divide 64"):
        load_file(tmp_path / "w.pth", heads=3)


def test_heads_unknown_is_an_error_that_says_so(tmp_path):
    torch.save(tiny(width=48, heads=3).vit.state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsMismatch, match="--heads N"):
        load_file(tmp_path / "w.pth")


def test_int8_rows_come_back_within_half_a_step(tmp_path):
    backbone = tiny()
    save_backbone(backbone, tmp_path / "w.safetensors", store="int8")
    loaded = load_file(tmp_path / "w.safetensors")
    for name, tensor in backbone.vit.state_dict().items():
        error = (loaded.vit.state_dict()[name] - tensor).abs()
        if name.endswith(("qkv.weight", "proj.weight", "fc1.weight", "fc2.weight")) and "patch" not in name:
            assert (error <= tensor.abs().amax(dim=1, keepdim=True) / 127 * 0.51 + 1e-6).all(), name
        else:
            assert (error <= tensor.abs() * 2**-11 + 1e-7).all(), name  # float16
    stored = packed(backbone.vit.state_dict(), "int8")
    assert stored["blocks.0.attn.qkv.weight"].dtype == torch.int8
    assert stored["blocks.0.attn.qkv.weight.scale"].shape == (192,)
    assert stored["patch_embed.proj.weight"].dtype == torch.float16


class Evil:
    def __reduce__(self):
        return print, ("code ran",)


def test_c46_h104_a_pickle_that_runs_code_is_refused(tmp_path, capsys):
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"state_dict": Evil()}))
    with pytest.raises((UnsafeWeights, CorruptWeights)):
        load_file(tmp_path / "evil.pth")
    torch.save({"teacher": Evil()}, tmp_path / "evil2.pth")
    with pytest.raises(UnsafeWeights, match="wants to run"):
        load_file(tmp_path / "evil2.pth")
    assert "code ran" not in capsys.readouterr().out


def broken(kind, path):
    state = tiny().vit.state_dict()
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
    save_file(tiny().vit.state_dict(), tmp_path / "w.safetensors")
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


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s.pop("blocks.1.norm2.bias"), "1 missing: blocks.1.norm2.bias"),
        (lambda s: s.update({"extra.weight": torch.zeros(1)}), "1 unexpected: extra.weight"),
        (lambda s: s.update({"norm.weight": torch.zeros(7)}), "1 wrong shape: norm.weight (7,) instead of (64,)"),
        (lambda s: [s.pop(k) for k in list(s) if k != "norm.weight"], "has no cls_token"),
    ],
)  # fmt: skip
def test_c42_c43_mismatches_are_listed(tmp_path, change, told):
    state = dict(tiny().vit.state_dict())
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsMismatch) as caught:
        load_file(tmp_path / "w.pth")
    assert told in str(caught.value)


def test_c41_a_checkpoint_without_a_state_dict_says_what_it_holds(tmp_path):
    torch.save({"optimizer": {"lr": 1.0}, "epoch": 2}, tmp_path / "w.pth")
    with pytest.raises(WeightsMismatch, match="optimizer, epoch"):
        load_file(tmp_path / "w.pth")
