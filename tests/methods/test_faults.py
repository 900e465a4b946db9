"""Bad photographs and features on the whole road: every method ends in a plausible mask, or in none with a reason."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dinoseg.backbone.features import Features
from dinoseg.backbone.weights import load_file
from dinoseg.methods import METHODS
from dinoseg.pipeline import Segmenter
from dinoseg.segmentation import Segmentation
from dinoseg.types import Failure
from tests.helpers import disk_photo
from tests.methods.scenes import NETWORK_METHODS, save_plain_head
from tests.networks import save_teacher

HEADS = 2
REASONS = {"constant_image", "degenerate_graph", "no_object", "nan_features"}


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def spotted(colour: int) -> NDArray[np.uint8]:
    """One colour, but for one pixel."""
    pixels = np.full((48, 64, 3), colour, np.uint8)
    pixels[20, 30] ^= 1
    return pixels


PHOTOS = {
    "a constant": np.full((48, 64, 3), 90, np.uint8),
    "white": np.full((48, 64, 3), 255, np.uint8),
    "one pixel off": spotted(90),
    "one pixel off black": spotted(0),
    "one pixel": noise(1, 1),
    "less than a patch": noise(5, 7),
    "one patch": noise(8, 8),
    "two patches": noise(8, 16),
    "a row of patches": noise(8, 64),
    "a column of patches": noise(64, 8),
    "one px high": noise(1, 300),
    "a strip": noise(6, 2000),
    "noise": noise(64, 64),
    "two halves": np.repeat(np.uint8([[0] * 32 + [255] * 32]), 48, axis=0)[..., None].repeat(3, axis=2),
    "no grey level twice": np.arange(48 * 64, dtype=np.uint32).reshape(48, 64, 1).repeat(3, axis=2).astype(np.uint8),
}


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory):
    """Method -> the road with a tiny network."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_teacher(path)
    head = path.with_name("head.safetensors")
    spec = load_file(path).spec
    save_plain_head(head, spec, torch.randn(spec.width, generator=torch.Generator().manual_seed(0)))
    params = {"dino-seg": ("head=1",), "head": (f"weights={head}",)}  # the network has two heads

    @cache
    def make(name: str) -> Segmenter:
        return Segmenter(model=str(path), method=name, param=params.get(name, ()), size=64, device="cpu")

    return make


def check(result: Segmentation | Failure) -> None:
    """An object that is not the whole frame, or a reason."""
    assert isinstance(result, Segmentation)
    assert (result.reason is None) == bool(result.instances)
    assert result.reason is None or result.reason in REASONS
    for instance, mask in zip(result.instances, result.masks, strict=True):
        assert mask.any()
        assert not mask.all()
        assert 0 <= instance.score <= 1
        assert np.isfinite(instance.soft).all()
        assert instance.why


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("name", METHODS)
def test_a13_to_a18_photographs(segmenter, name, photo):
    result = segmenter(name)(PHOTOS[photo])
    check(result)
    if photo in ("a constant", "white"):
        assert result.reason == "constant_image"


def zeros(features: Features) -> Features:
    """All features 0, attention as it is."""
    return replace(features, facets={name: torch.zeros_like(facet) for name, facet in features.facets.items()})


def silent(features: Features) -> Features:
    """No attention on any patch."""
    return replace(features, attention=torch.zeros_like(features.attention))


def alike(features: Features) -> Features:
    """Every patch as the first one, attention flat."""
    facets = {name: facet[:, :1, :1].expand_as(facet) for name, facet in features.facets.items()}
    return replace(features, attention=torch.full_like(features.attention, 0.01), facets=facets)


def nearly_alike(features: Features) -> Features:
    """Every patch as the first one up to rounding."""
    features = alike(features)
    torch.manual_seed(0)
    facets = {name: facet * (1 + 1e-7 * torch.randn(facet.shape)) for name, facet in features.facets.items()}
    return replace(features, facets=facets)


def opposed(features: Features) -> Features:
    """No two patches alike: a simplex, all cosines below 0."""
    height, width = features.grid
    corners = torch.eye(height * width) - 1 / (height * width)
    facet = corners.reshape(1, height, width, -1)
    return replace(features, facets=dict.fromkeys(features.facets, facet))


def huge(features: Features) -> Features:
    """Values near the end of what float32 can hold."""
    return replace(features, facets={name: facet * 1e30 for name, facet in features.facets.items()})


def tiny(features: Features) -> Features:
    """Values near its other end."""
    return replace(features, facets={name: facet * 1e-30 for name, facet in features.facets.items()})


def half_zeros(features: Features) -> Features:
    """The upper half of the frame has no features."""
    facets = {name: facet.clone() for name, facet in features.facets.items()}
    for facet in facets.values():
        facet[:, : facet.shape[1] // 2] = 0
    return replace(features, facets=facets)


SPOILT = (zeros, silent, alike, nearly_alike, opposed, huge, tiny, half_zeros)


SPOILS = [(name, spoil) for name in NETWORK_METHODS for spoil in SPOILT] + [
    ("head", spoil)
    for spoil in SPOILT
    if spoil is not opposed  # these are of a width that it was not trained on
]


@pytest.mark.parametrize(("name", "spoil"), SPOILS)
def test_a17_a18_features_without_anything_in_them(segmenter, monkeypatch, name, spoil):
    road = segmenter(name)
    plain = road.backbone.forward
    monkeypatch.setattr(road.backbone, "forward", lambda images, **asked: spoil(plain(images, **asked)))
    check(road(noise(48, 64)))


@pytest.mark.parametrize("name", [*NETWORK_METHODS, "head"])
def test_a20_features_that_are_not_numbers_fail_that_photograph_alone(segmenter, monkeypatch, name):
    road = segmenter(name)
    plain, passes = road.backbone.forward, []

    def spoil(images, **asked):
        features = plain(images, **asked)
        passes.append(features)
        if len(passes) == 2:  # one photograph each
            features.attention[0, 0, 0, 0] = torch.nan
        return features

    monkeypatch.setattr(road.backbone, "forward", spoil)
    first, bad, last = road.stream([noise(48, 64)] * 3)
    assert isinstance(bad, Failure)
    assert bad.reason == "nan_features"
    check(first)
    np.testing.assert_array_equal(first.mask, last.mask)


@pytest.mark.parametrize("radius", [8, 14, 20])
@pytest.mark.parametrize("name", [name for name in METHODS if name != "head"])  # it knows but its own features
def test_a19_an_object_off_the_border_is_not_its_background(segmenter, monkeypatch, name, radius):
    photo, object_ = disk_photo(64, 64, radius=radius)
    road = segmenter(name)
    if road.backbone:
        inside = torch.from_numpy(object_[4::8, 4::8].astype(int))  # (8, 8)
        directions = torch.randn((2, 24), generator=torch.Generator().manual_seed(0))

        def seen(images, facets):
            facet = directions[inside][None] + 0.1 * torch.randn(
                (1, 8, 8, 24), generator=torch.Generator().manual_seed(1)
            )
            attention = torch.where(inside.bool(), 0.05, 0.01).expand(1, HEADS, 8, 8)
            return Features(attention, "dinov2", 8, dict.fromkeys(facets, facet))

        monkeypatch.setattr(road.backbone, "forward", seen)
    result = road(photo)
    check(result)
    inner, outer = result.mask[object_].mean(), result.mask[~object_].mean()
    assert inner > outer, (inner, outer)
