"""One pass to features, against the reference programs' arrays and against a plain forward."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.families import family_of
from dinoseg.backbone.spec import BackboneSpec
from dinoseg.backbone.vit import attention_rows, resize_positions
from dinoseg.backbone.weights import load_file
from tests.helpers import GOLDEN

DATA = Path(__file__).parents[1] / "data"


def tiny(family: str = "dino", seed: int = 0) -> Backbone:
    """A small random network of a family."""
    torch.manual_seed(seed)
    registers = 4 if family in ("dinov2-registers", "dinov3") else 0
    rule = {"dinov2-registers": "antialias", "dinov3": "rope"}.get(family, "offset")
    spec = BackboneSpec("tiny", family, 8, 24, 3, 3, 96, registers, rule, family.startswith("dinov2"))
    backbone = family_of(spec.family).new(spec).eval()
    for parameter in backbone.parameters():  # LayerScale and registers start at nothing, which would test nothing
        nn.init.normal_(parameter, std=0.2)
    return backbone


FAMILIES = ("dino", "dinov2", "dinov2-registers", "dinov3")


def plain_attention(backbone: Backbone, images: torch.Tensor) -> torch.Tensor:
    """The last layer's whole softmax, written out."""
    x, rope = backbone.embed(images)
    for index in range(backbone.spec.depth - 1):
        x = backbone.block(index, x, rope)
    attn = backbone.vit.blocks[-1].attn
    batch, tokens, width = x.shape
    qkv = attn.qkv(backbone.vit.blocks[-1].norm1(x))
    if getattr(attn, "q_bias", None) is not None:
        qkv = qkv + torch.cat([attn.q_bias, attn.k_bias, attn.v_bias])
    qkv = qkv.reshape(batch, tokens, 3, backbone.spec.heads, width // backbone.spec.heads).permute(2, 0, 3, 1, 4)
    query, key = (backbone.rotate(backbone.spec.depth - 1, part, rope) for part in qkv[:2])
    return torch.softmax(query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]), dim=-1)


@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_attention_is_the_cls_row_of_the_whole_softmax(family):
    backbone, images = tiny(family), torch.randn(2, 3, 40, 56)
    whole = plain_attention(backbone, images)  # (2, 3, T, T)
    row = whole[:, :, 0, backbone.spec.prefix :].unflatten(-1, (5, 7))
    assert torch.allclose(backbone(images).attention, row, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_tokens_and_cls_are_those_of_the_plain_forward(family):
    backbone, images = tiny(family), torch.randn(2, 3, 40, 56)
    tokens = backbone.tokens(images)
    seen = backbone(images, facets=("token",), cls=True)
    assert torch.allclose(seen.facets["token"].flatten(1, 2), tokens[:, backbone.spec.prefix :], atol=1e-5)
    assert torch.allclose(seen.cls, tokens[:, 0], atol=1e-5)
    assert torch.allclose(backbone(images, cls=True).cls, tokens[:, 0], atol=1e-5)  # the one-row way to CLS


@torch.inference_mode()
def test_facets_are_the_thirds_of_qkv_in_their_order():
    backbone, images = tiny(), torch.randn(1, 3, 16, 24)
    x, _ = backbone.embed(images)
    for index in range(2):
        x = backbone.block(index, x, None)
    qkv = backbone.vit.blocks[2].attn.qkv(backbone.vit.blocks[2].norm1(x))[:, 1:].unflatten(1, (2, 3))
    seen = backbone(images, facets=("query", "key", "value"))
    for name, third in zip(("query", "key", "value"), qkv.chunk(3, dim=-1), strict=True):
        assert torch.allclose(seen.facets[name], third, atol=1e-6), name
    assert seen.cls is None
    assert "token" not in seen.facets  # only what was asked for


@torch.inference_mode()
def test_a_batch_equals_its_images_one_by_one():
    backbone, images = tiny("dinov2"), torch.randn(3, 3, 24, 32)
    together = backbone(images, facets=("token",))
    for i in range(3):
        alone = backbone(images[i : i + 1], facets=("token",))
        assert torch.allclose(together.attention[i], alone.attention[0], atol=1e-6)
        assert torch.allclose(together.facets["token"][i], alone.facets["token"][0], atol=1e-5)


@torch.inference_mode()
def test_any_layer_and_all_layers_agree():
    backbone, images = tiny("dinov3"), torch.randn(1, 3, 24, 32)
    every = backbone.all_attention_inputs(images)
    for layer in (1, 2, 3):
        for one, other in zip(backbone.attention_inputs(images, layer), every[layer - 1], strict=True):
            assert torch.allclose(one, other, atol=1e-6)
    last = attention_rows(every[2][0][:, :, :1], every[2][1])[:, :, 0, backbone.spec.prefix :]
    assert torch.allclose(last.unflatten(-1, (3, 4)), backbone(images).attention, atol=1e-6)


def test_halves_of_a_block_make_the_block():
    backbone, x = tiny("dinov2"), torch.randn(1, 5, 24)
    assert torch.allclose(backbone.mlp_branch(1, backbone.attention_branch(1, x, None)), backbone.block(1, x, None))


def test_images_off_the_grid_and_unknown_facets_are_refused():
    with pytest.raises(ValueError, match="grid of 8 px"):
        tiny()(torch.zeros(1, 3, 20, 24))
    with pytest.raises(ValueError, match="unknown facet"):
        tiny()(torch.zeros(1, 3, 24, 24), facets=("keys",))


@pytest.mark.parametrize("grid", [(30, 30), (6, 6), (6, 10)])
def test_position_table_of_dino_v1(grid):
    golden = np.load(DATA / "positions.npz")
    resized = resize_positions(torch.from_numpy(golden["table"])[None], grid, "offset")[0]
    assert np.abs(resized.numpy() - golden[f"offset_{grid[0]}x{grid[1]}"]).max() <= 5e-6  # of values up to 3


def test_position_table_is_untouched_only_on_its_own_square_grid():
    table = torch.randn(1, 1 + 14 * 14, 8)
    assert resize_positions(table, (14, 14), "offset") is table
    assert resize_positions(table, (7, 28), "offset").shape == table.shape
    assert not torch.equal(resize_positions(table, (7, 28), "offset"), table)  # as many patches, another shape


def test_rules_differ_and_antialias_is_timms():
    from timm.layers.pos_embed import resample_abs_pos_embed

    table = torch.randn(1, 1 + 14 * 14, 8)
    ours = resize_positions(table, (9, 6), "antialias")
    theirs = resample_abs_pos_embed(table, [9, 6], num_prefix_tokens=1)
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert (ours - resize_positions(table, (9, 6), "offset")).abs().max() > 0.05


def cases(npz, prefix):
    return sorted(key[: -len("/image")] for key in npz if key.startswith(prefix) and key.endswith("/image"))


def normalised(backbone: Backbone, image: np.ndarray) -> torch.Tensor:
    """As the reference does: cropped to whole patches."""
    patch = backbone.spec.patch
    height, width = (length // patch * patch for length in image.shape[:2])
    return backbone.normalise(torch.from_numpy(image[:height, :width].copy()).permute(2, 0, 1)[None])


@pytest.mark.parametrize(
    ("prefix", "file", "heads"), [("p16_", "tiny_vit_p16_plain.pth", 3), ("p8_", "tiny_vit_p8_train.pth", 2)]
)
@torch.inference_mode()
def test_golden_dino_v1(prefix, file, heads):
    golden = np.load(GOLDEN / "attention.npz")
    backbone = load_file(GOLDEN / file, heads=heads)
    names = cases(golden, prefix)
    assert len(names) >= 4
    for name in names:
        images = normalised(backbone, golden[f"{name}/image"])
        seen = backbone(images, facets=("token",), cls=True)
        tokens = torch.cat([seen.cls[:, None], seen.facets["token"].flatten(1, 2)], dim=1)[0]
        np.testing.assert_allclose(seen.attention[0], golden[f"{name}/cls_attention"], atol=1e-6, rtol=1e-4)
        np.testing.assert_allclose(tokens, golden[f"{name}/tokens"], atol=5e-5, rtol=0)
        query, key = backbone.attention_inputs(images, backbone.spec.depth)
        whole = attention_rows(query, key)[0]
        np.testing.assert_allclose(whole[:, 0, 0], golden[f"{name}/cls_self"], atol=1e-6)
        if f"{name}/attention_full" in golden:
            np.testing.assert_allclose(whole, golden[f"{name}/attention_full"], atol=1e-5)


@pytest.mark.parametrize(("prefix", "file"), [("v2_", "tiny_v2_p14.pth"), ("v2reg_", "tiny_v2reg_p14.pth")])
@torch.inference_mode()
def test_golden_dinov2(prefix, file):
    golden = np.load(GOLDEN / "attention_dinov2.npz")
    images = np.load(GOLDEN / "attention.npz")
    backbone = load_file(GOLDEN / file, heads=2)
    names = sorted({key.split("/")[0] for key in golden if key.startswith(prefix)})
    assert len(names) == 3
    for name in names:
        height, width = map(int, name.split("_")[1].split("x"))
        image = images[f"{golden[f'{name}/source']}/image"][:height, :width]
        seen = backbone(normalised(backbone, image), facets=("token",), cls=True)
        np.testing.assert_allclose(seen.attention[0], golden[f"{name}/cls_attention"], atol=1e-5)
        np.testing.assert_allclose(seen.facets["token"].flatten(1, 2)[0], golden[f"{name}/patch_tokens"], atol=2e-4)
        np.testing.assert_allclose(seen.cls[0], golden[f"{name}/cls"], atol=2e-4)


@pytest.mark.shared
@torch.inference_mode()
def test_the_real_network_loads_and_equals_timms_own_forward_at_its_native_size(shared):
    from timm.models.vision_transformer import VisionTransformer

    backbone = load_file(shared / "weights" / "dinov2_vits14.safetensors")
    norm = partial(nn.LayerNorm, eps=1e-6)
    plain = VisionTransformer(
        518, 14, embed_dim=384, num_heads=6, init_values=1.0, num_classes=0, norm_layer=norm
    ).eval()
    plain.load_state_dict(backbone.vit.state_dict())
    images = torch.randn(1, 3, 518, 518, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(backbone.tokens(images), plain.forward_features(images), atol=2e-4)
