"""Attention of any query and layer, rollout, and how heads are fused."""

import numpy as np
import pytest
import torch

import dinoseg
from dinoseg.attention import Attender, Attention, fuse, rollout
from dinoseg.backbone.vit import attention_rows
from dinoseg.errors import NotAnImage, OptionError, QueryOutside
from dinoseg.images.decode import as_source
from dinoseg.types import Failure, Fit, Photo
from tests.helpers import disk_photo
from tests.networks import save_teacher, small_teacher


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_teacher(path)
    return str(path)


def test_cls_maps_of_the_last_layer_are_the_roads(model):
    photo, _ = disk_photo(60, 90)
    maps = dinoseg.attend(photo, model=model, size=64)
    assert maps.heads.shape == (2, 6, 8)
    assert np.allclose(
        maps.heads, dinoseg.segment(photo, model=model, size=64, method="attention").attention, atol=1e-6
    )
    assert np.allclose(maps.heads, dinoseg.attend(photo, model=model, size=64, layer=2).heads, atol=1e-6)
    assert maps.upsampled().shape == (2, 60, 90)
    assert maps.title == "CLS, layer 2 of 2"


def test_a_query_is_the_patch_under_the_pixel(model):
    photo, _ = disk_photo(60, 90)
    maps = dinoseg.attend(photo, model=model, size=64, query=(89, 59), layer=1)
    corner = dinoseg.attend(photo, model=model, size=64, query=(0, 0), layer=1)
    assert maps.heads.shape == corner.heads.shape
    assert np.abs(maps.heads - corner.heads).max() > 1e-4
    assert maps.query == (89, 59)


def test_wrong_queries_and_layers_are_refused(model):
    photo, _ = disk_photo(60, 90)
    with pytest.raises(QueryOutside, match="90 x 60 px"):
        dinoseg.attend(photo, model=model, size=64, query=(90, 0))
    with pytest.raises(OptionError, match=r"has 1\.\.2"):
        dinoseg.attend(photo, model=model, layer=3)
    with pytest.raises(OptionError, match="leave out --layer"):
        dinoseg.attend(photo, model=model, layer=1, rollout=True)
    with pytest.raises(NotAnImage):
        dinoseg.attend(b"no image", model=model)


@torch.inference_mode()
def test_rollout_is_the_product_of_all_layers(monkeypatch):
    monkeypatch.setattr("dinoseg.attention.ROWS", 5)  # several chunks
    backbone = small_teacher()
    images = torch.randn(1, 3, 32, 40)
    product = torch.eye(21)
    for query, key in backbone.all_attention_inputs(images):
        product = (attention_rows(query, key)[0].mean(dim=0) + torch.eye(21)) / 2 @ product
    assert torch.allclose(rollout(backbone, images)[0], product[0, 1:], atol=1e-6)


def test_rollout_of_an_image_has_one_map(model):
    maps = dinoseg.attend(disk_photo(60, 90)[0], model=model, size=64, rollout=True)
    assert maps.heads.shape == (1, 6, 8)
    assert 0.2 < maps.heads.sum() < 1


def test_fusion():
    uniform, spot = np.full((4, 4), 1 / 16, np.float32), np.zeros((4, 4), np.float32)
    spot[1, 2] = 1
    heads = np.stack([uniform, spot])
    assert np.allclose(fuse(heads), (uniform + spot) / 2)
    assert np.allclose(fuse(heads, "entropy"), spot, atol=1e-4)  # the concentrated head says it all
    assert np.allclose(fuse(heads, [0]), uniform)
    for wrong in ("median", [2], [], [-1]):
        with pytest.raises(OptionError):
            fuse(heads, wrong)


def test_masks_hold_their_share_of_the_mass(model):
    maps = dinoseg.attend(disk_photo(60, 90)[0], model=model, size=64)
    for head, mask in zip(maps.heads, maps.masks(0.6), strict=True):
        assert head[mask].sum() >= 0.6 * head.sum()
        assert head[mask].sum() - head[mask].min() < 0.6 * head.sum()  # one patch fewer would be too few


def test_figures_and_streams(model):
    attender = Attender(model=model, size=64)
    good, bad = attender.stream([as_source(disk_photo()[0]), as_source(b"no image")])
    assert isinstance(bad, Failure)
    titles = [axis.get_title().partition(", up")[0] for axis in good.figure().axes]
    assert titles == ["CLS, layer 2 of 2", "head 0", "head 1", "mean", ""]
    assert good.overlay().size == (160, 120)
    assert good._repr_png_().startswith(b"\x89PNG")


def test_a_list_of_images_gives_a_list(model):
    good, bad = dinoseg.attend([disk_photo()[0], b"no image"], model=model, size=64)
    assert isinstance(bad, Failure)
    assert (good.id, bad.id) == ("image-000000", "image-000001")


def test_maps_are_printed_in_one_line(model):
    maps = dinoseg.attend(disk_photo(60, 90)[0], model=model, size=64)
    assert repr(maps) == "Attention('image-000000', CLS, layer 2 of 2, 2 maps of 6x8 patches)"


def attention(held):
    """Maps whose mass lies in the patches of ``held`` ``(gh, gw)``."""
    fit = Fit((24, 32), (24, 32), held.shape, 2)
    photo = Photo("a", np.zeros((24, 32, 3), np.uint8), (24, 32))
    return Attention("a", np.stack([held, held]).astype(np.float32), fit, photo, "CLS")


@pytest.mark.parametrize(("where", "outlines"), [("together", 2), ("scattered", 0)])
def test_an_outline_of_what_is_scattered_is_not_drawn(where, outlines):
    held = np.indices((12, 16)).sum(axis=0) % 2 if where == "scattered" else np.indices((12, 16))[1] < 5
    figure = attention(held).figure()
    assert len(figure.axes[0].collections) == outlines
    assert figure.texts[0].get_text().startswith("Outline: the" if outlines else "No outline: the")
