"""Reading weight files: every layout, every wrong file, and nothing that can run code."""

import argparse
import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dinoseg.backbone.export import packed, save_backbone
from dinoseg.backbone.families import family_of
from dinoseg.backbone.spec import IMAGENET_MEAN, BackboneSpec
from dinoseg.backbone.weights import load_file
from dinoseg.errors import CorruptWeights, WeightsMismatch
from dinoseg.files import sha256


def tiny(family="dino", **changes):
    torch.manual_seed(0)
    facts = {"patch": 8, "width": 64, "depth": 2, "heads": 1, "hidden": 96, "registers": 0, "positions": "offset"}
    spec = BackboneSpec("tiny", family, **{**facts, **changes}, layer_scale=family.startswith("dinov2"))
    return family_of(spec.family).new(spec).eval()


def same_tokens(one, other):
    images = torch.randn(1, 3, 24, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return torch.allclose(one.tokens(images), other.tokens(images), atol=1e-6)


def wrapped(state, prefix):
    return {prefix + key: value for key, value in state.items()}


def chunked(state):
    return {re.sub(r"^blocks\.(\d+)\.", r"blocks.0.\1.", key): value for key, value in state.items()}


def double(state):
    """Weights of another network of the shape: the one that must not be taken."""
    return {key: 2 * value for key, value in state.items()}


LAYOUTS = {
    "plain state dict": lambda state: state,
    "under teacher, backbone. prefix": lambda state: {"teacher": wrapped(state, "backbone."), "student": {}},
    "student of DDP, module.backbone.": lambda state: {"student": wrapped(state, "module.backbone."), "epoch": 3},
    "with a head and a mask token beside it": lambda state: {
        **state, "head.mlp.0.weight": torch.zeros(3, 3), "mask_token": torch.zeros(1, 64)
    },
    "official training file with Namespace": lambda state: {"teacher": state, "args": argparse.Namespace(arch="x")},
    "timm's averaged weights": lambda state: {"state_dict": double(state), "state_dict_ema": state, "epoch": 3},
    "DeiT's averaged weights": lambda state: {"model": double(state), "model_ema": state},
    "others' averaged weights": lambda state: {"model": double(state), "ema_state_dict": state},
    "nested": lambda state: {"model": {"state_dict": state}, "optimizer": {"state": {0: torch.zeros(3)}}},
    "DINOv2's chunks of blocks": lambda state: {"teacher": wrapped(chunked(state), "backbone.")},
    "DINOv2, both in one": lambda state: {
        "model": wrapped(double(state), "student.backbone.") | wrapped(state, "teacher.backbone.")
        | {"teacher.dino_head.mlp.0.weight": torch.zeros(4, 4), "dino_loss.center": torch.zeros(1, 4)}
    },
    "torch.compile": lambda state: wrapped(state, "_orig_mod."),
    "torch.compile and DDP": lambda state: {"model": wrapped(state, "module._orig_mod.")},
    "compiled blocks": lambda state: {key.replace(".attn.", "._orig_mod.attn."): x for key, x in state.items()},
    "solo-learn": lambda state: {
        "state_dict": wrapped(double(state), "backbone.") | wrapped(state, "momentum_backbone.")
        | {"classifier.weight": torch.zeros(3, 3)}
    },
    "lightly": lambda state: {
        "state_dict": wrapped(double(state), "student_backbone.") | wrapped(state, "teacher_backbone.")
    },
    "lightly-train": lambda state: {
        "state_dict": wrapped(double(state), "student_embedding_model.wrapped_model._model.")
        | wrapped(state, "teacher_embedding_model.wrapped_model._model.")
    },
    "Lightning": lambda state: {"state_dict": wrapped(state, "model.backbone."), "hyper_parameters": {"lr": 0.1}},
    "an encoder": lambda state: {"state_dict": wrapped(state, "encoder.")},
    "one network under two names": lambda state: wrapped(state, "backbone.") | wrapped(state, "model.backbone."),
    "numpy's scalars": lambda state: {"teacher": state, "best": np.float64(0.5), "lr": np.float32(0.1)},
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


def transformers_names(state, attention):
    """A state dict under the names of Hugging Face's DINOv2; ``attention`` names query, key, value and output."""
    names = {"cls_token": "embeddings.cls_token", "pos_embed": "embeddings.position_embeddings"}
    result = {"embeddings.mask_token": torch.zeros(1, 64)}
    for key, value in state.items():
        new = names.get(key) or key.replace("patch_embed.proj", "embeddings.patch_embeddings.projection")
        new = re.sub(r"^norm\.", "layernorm.", new).replace("blocks.", "encoder.layer.")
        new = new.replace("ls1.gamma", "layer_scale1.lambda1").replace("ls2.gamma", "layer_scale2.lambda1")
        if ".attn.qkv." in new:
            for part, rows in zip(attention[:3], value.chunk(3), strict=True):
                result[new.replace("attn.qkv", part)] = rows.clone()
        else:
            result[new.replace("attn.proj", attention[3])] = value
    return result


@pytest.mark.parametrize(
    "attention",
    [
        [*(f"attention.attention.{part}" for part in ("query", "key", "value")), "attention.output.dense"],
        [f"attention.{part}_proj" for part in "qkvo"],  # since version 5
    ],
)
@pytest.mark.parametrize("prefix", ["", "dinov2."])
def test_dinov2_of_transformers(tmp_path, attention, prefix):
    backbone = tiny("dinov2")
    state = wrapped(transformers_names(backbone.vit.state_dict(), attention), prefix)
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "model.safetensors")
    assert same_tokens(load_file(tmp_path / "model.safetensors"), backbone)


@pytest.mark.parametrize("program", ["Meta's", "transformers'"])
def test_dinov3_of_other_programs(tmp_path, program):
    """Their biases become one of q and v; that of the keys is masked out."""
    backbone = tiny("dinov3", registers=4, positions="rope", patch=16)
    state, width = {}, 64
    for key, value in backbone.vit.state_dict().items():
        if program == "Meta's":
            state[re.sub(r"gamma_([12])$", r"ls\1.gamma", key).replace("reg_token", "storage_tokens")] = value
            if key.endswith("qkv.weight"):
                state[key.replace("weight", "bias")] = torch.arange(3 * width) / 100
                state[key.replace("weight", "bias_mask")] = torch.cat([torch.ones(64), torch.zeros(64), torch.ones(64)])
        else:
            new = key.replace("blocks.", "layer.").replace("cls_token", "embeddings.cls_token")
            new = new.replace("reg_token", "embeddings.register_tokens").replace("attn.proj", "attention.o_proj")
            new = new.replace("patch_embed.proj", "embeddings.patch_embeddings").replace("mlp.fc1", "mlp.up_proj")
            new = re.sub(r"gamma_([12])$", r"layer_scale\1.lambda1", new).replace("mlp.fc2", "mlp.down_proj")
            if "attn.qkv" in new:
                for letter, rows in zip("qkv", value.chunk(3), strict=True):
                    state[new.replace("attn.qkv", f"attention.{letter}_proj")] = rows.clone()
                    if letter != "k":
                        bias = torch.arange(3 * width).chunk(3)["qkv".index(letter)] / 100
                        state[new.replace("attn.qkv.weight", f"attention.{letter}_proj.bias")] = bias.clone()
            else:
                state[new] = value
    torch.save(state | {"rope_embed.periods": (100 ** (torch.arange(16) / 16)).bfloat16()}, tmp_path / "dinov3.pth")
    loaded = load_file(tmp_path / "dinov3.pth")
    assert loaded.spec.family == "dinov3"
    attn = loaded.vit.blocks[0].attn
    assert torch.equal(attn.q_bias, torch.arange(64) / 100)
    assert torch.equal(attn.v_bias, torch.arange(128, 192) / 100)
    with torch.no_grad():
        attn.q_bias.zero_(), attn.v_bias.zero_()
        loaded.vit.blocks[1].attn.q_bias.zero_(), loaded.vit.blocks[1].attn.v_bias.zero_()
    images = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(loaded.tokens(images), backbone.tokens(images), atol=1e-5, rtol=0)


@pytest.mark.parametrize("new", [False, True])
def test_dino_v1_of_transformers(tmp_path, new):
    """``new``: the names since version 5, in memory."""
    backbone = tiny()
    parts = "qkvo" if new else ("query", "key", "value")
    attention = [f"attention.{part}_proj" for part in parts] if new else [f"attention.attention.{p}" for p in parts]
    state = transformers_names(backbone.vit.state_dict(), attention if new else [*attention, "attention.output.dense"])
    pairs = [("norm1", "layernorm_before"), ("norm2", "layernorm_after")]
    pairs += (
        [("encoder.layer.", "layers.")] if new else [("mlp.fc1", "intermediate.dense"), ("mlp.fc2", "output.dense")]
    )
    for ours, theirs in pairs:
        state = {key.replace(ours, theirs): value.contiguous() for key, value in state.items()}
    save_file(state | {"pooler.dense.weight": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    assert same_tokens(load_file(tmp_path / "model.safetensors"), backbone)


def dinov3_of_meta(**more):
    """A state dict of Meta's program with biases."""
    state = dict(tiny("dinov3", registers=4, positions="rope").vit.state_dict())
    for index in range(2):
        state[f"blocks.{index}.attn.qkv.bias"] = torch.arange(192) / 100
    return {re.sub(r"gamma_([12])$", r"ls\1.gamma", key): value for key, value in state.items()} | more


def masks(keys):
    """Masks over the biases of both blocks."""
    mask = torch.cat([torch.ones(64), torch.full((64,), keys), torch.ones(64)])
    return {f"blocks.{index}.attn.qkv.bias_mask": mask for index in range(2)}


def test_dinov3_with_biases_of_keys_or_other_periods_is_refused(tmp_path):
    """Rotated by position, a bias tells keys apart, and softmax sees it; and timm's class makes periods of its own."""
    torch.save(dinov3_of_meta(), tmp_path / "w.pth")
    with pytest.raises(WeightsMismatch, match="biases of keys"):
        load_file(tmp_path / "w.pth")
    torch.save(dinov3_of_meta(**masks(0.0), **{"rope_embed.periods": 7 ** (torch.arange(16) / 16)}), tmp_path / "w.pth")
    with pytest.raises(WeightsMismatch, match="other periods"):
        load_file(tmp_path / "w.pth")


def test_a_masked_bias_may_be_nan_and_the_periods_tell_the_heads(tmp_path):
    state = dinov3_of_meta(**masks(0.0), **{"rope_embed.periods": 100 ** (torch.arange(8) / 8)})
    for index in range(2):
        state[f"blocks.{index}.attn.qkv.bias"][64:128] = float("nan")
    torch.save(state, tmp_path / "w.pth")
    assert load_file(tmp_path / "w.pth").spec.heads == 2  # heads of 32 channels, which width / 64 would miss


def test_registers_of_length_none_are_none(tmp_path):
    state = transformers_names(tiny("dinov2").vit.state_dict(), [f"attention.{part}_proj" for part in "qkvo"])
    torch.save(state | {"embeddings.register_tokens": torch.zeros(1, 0, 64)}, tmp_path / "w.pth")
    assert load_file(tmp_path / "w.pth").spec.registers == 0


def test_two_tensors_of_one_name_are_told(tmp_path):
    torch.save(tiny().vit.state_dict() | {"blocks.0.1.norm1.bias": torch.zeros(64)}, tmp_path / "w.pth")
    with pytest.raises(WeightsMismatch, match=r"blocks\.1\.norm1\.bias twice"):
        load_file(tmp_path / "w.pth")


def test_heads_of_the_config_beside_the_file(tmp_path):
    save_file(tiny().vit.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"num_attention_heads": 4}')
    assert load_file(tmp_path / "model.safetensors").spec.heads == 4
    assert load_file(tmp_path / "model.safetensors", heads=2).spec.heads == 2


def test_lightly_train_writes_mean_and_deviation_into_its_checkpoint(tmp_path):
    told = {"normalize_args": {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}}
    torch.save({"state_dict": tiny().vit.state_dict(), "lightly_train": told}, tmp_path / "w.ckpt")
    spec = load_file(tmp_path / "w.ckpt").spec
    assert (spec.mean, spec.std) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def test_of_several_equal_networks_none_is_guessed(tmp_path):
    state = tiny().vit.state_dict()
    torch.save(wrapped(state, "left.") | wrapped(double(state), "right."), tmp_path / "two.pth")
    with pytest.raises(WeightsMismatch, match=r"several networks \(left\., right\.\)"):
        load_file(tmp_path / "two.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    state = tiny().vit.state_dict()
    state["blocks.1.attn.proj.bias"][3] = value
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(
        CorruptWeights, match=r"NaN or infinite values in 1 of \d+ tensors \(blocks\.1\.attn\.proj\.bias"
    ):
        load_file(tmp_path / "nan.pth")


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("config.json", {"pretrained_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}}),  # timm
        ("preprocessor_config.json", {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}),  # transformers
    ],
)
def test_mean_and_deviation_are_those_of_the_json_beside_the_file(tmp_path, name, config):
    torch.save(tiny().vit.state_dict(), tmp_path / "a.pth")
    (tmp_path / name).write_text(json.dumps(config))
    backbone = load_file(tmp_path / "a.pth")
    assert (backbone.spec.mean, backbone.spec.std) == ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    assert backbone.mean.flatten().tolist() == pytest.approx([0.5, 0.4, 0.3])
    save_backbone(backbone, tmp_path / "sub.safetensors")  # and go with the network that is made of it
    (tmp_path / name).unlink()
    assert load_file(tmp_path / "sub.safetensors").spec.std == (0.2, 0.3, 0.4)


@pytest.mark.parametrize("config", ["{", "[]", '{"pretrained_cfg": 3}', "[" * 100_000])
def test_a_json_that_is_none_costs_nothing(tmp_path, config):
    torch.save(tiny().vit.state_dict(), tmp_path / "a.pth")
    (tmp_path / "config.json").write_text(config)
    assert load_file(tmp_path / "a.pth").spec.mean == IMAGENET_MEAN


def test_mean_and_deviation_that_are_no_numbers_are_refused(tmp_path):
    torch.save(tiny().vit.state_dict(), tmp_path / "a.pth")
    (tmp_path / "config.json").write_text('{"mean": [0.5, 0.5], "std": [0.5, 0.5, 0]}')
    with pytest.raises(WeightsMismatch, match="no three numbers"):
        load_file(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s.pop("blocks.1.norm2.bias"), "1 missing: blocks.1.norm2.bias"),
        (lambda s: s.update({"extra.weight": torch.zeros(1)}), "1 unexpected: extra.weight"),
        (lambda s: s.update({"norm.weight": torch.zeros(7)}), "1 wrong shape: norm.weight (7,) instead of (64,)"),
        (lambda s: [s.pop(k) for k in list(s) if k != "norm.weight"], "holds no network of a family"),
    ],
)  # fmt: skip
def test_c42_c43_mismatches_are_listed(tmp_path, change, told):
    state = dict(tiny().vit.state_dict())
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsMismatch) as caught:
        load_file(tmp_path / "w.pth")
    assert told in str(caught.value)
