"""What holds for every method: bad inputs end in an empty result with its reason, never in a full or inverted mask."""

import dataclasses

import numpy as np
import pytest

from dinoseg.method import Method
from dinoseg.methods import METHODS, make_method
from dinoseg.methods.base import facet_for, is_constant
from dinoseg.types import Photo
from tests.methods.scenes import (
    NETWORK_METHODS,
    batch_of,
    disk,
    features,
    features_of,
    fit_of,
    found,
    iou,
    photo_of,
    spec_of,
)

every_network_method = pytest.mark.parametrize("name", NETWORK_METHODS)
GRAPHS = ("attention-cut", "tokencut", "maskcut", "spectral", "lost")  # undefined where all patches are alike
every_method = pytest.mark.parametrize("name", [name for name in METHODS if name != "head"])


def test_the_list_of_network_methods_is_whole():
    assert {name for name in METHODS if make_method(name).needs_network} == {*NETWORK_METHODS, "head"}


@every_method
def test_methods_are_frozen_dataclasses_of_the_protocol(name):
    method = make_method(name)
    assert isinstance(method, Method)
    assert dataclasses.is_dataclass(method)
    assert hash(method) == hash(make_method(name))
    method.check(spec_of(6))  # the smallest published network will do for the defaults


@every_network_method
def test_finds_the_object(name):
    object_ = disk()
    (proposal,) = found(name, features_of(object_)).objects
    assert proposal.soft.shape == object_.shape
    assert proposal.soft.dtype == np.float32
    assert iou(proposal.soft > 0.5, object_) > 0.9
    assert 0.6 < proposal.score <= 1
    assert proposal.why


@every_network_method
def test_a_batch_is_its_images_one_by_one(name):
    objects = [disk(centre=(6, 5)), disk(centre=(5, 11))]
    single = [features_of(object_, seed=seed) for seed, object_ in enumerate(objects)]
    grid = objects[0].shape
    together = make_method(name)(batch_of(single), [photo_of(grid)] * 2, [fit_of(grid)] * 2)
    for one, proposals in zip(single, together, strict=True):
        np.testing.assert_array_equal(proposals.objects[0].soft, found(name, one).objects[0].soft)


@every_network_method
def test_a_bad_image_does_not_spoil_its_batch(name):
    object_ = disk()
    photo, fit = photo_of(object_.shape), fit_of(object_.shape)
    constant = Photo("black.png", np.zeros_like(photo.pixels), photo.size)
    spoiled = features_of(object_)
    spoiled.attention[0, 0, 0, 0] = np.nan
    given = batch_of([spoiled, features_of(object_), features_of(object_)])
    bad, black, good = make_method(name)(given, [photo, constant, photo], [fit] * 3)
    assert (bad.reason, black.reason) == ("nan_features", "constant_image")
    np.testing.assert_array_equal(good.objects[0].soft, found(name, features_of(object_)).objects[0].soft)


@every_network_method
@pytest.mark.parametrize("grid", [(1, 1), (1, 2)], ids=str)
def test_a13_one_patch_has_no_object(name, grid):
    proposals = found(name, features(np.full((6, *grid), 0.3), np.ones((*grid, 12))))
    assert proposals.objects == ()
    assert proposals.reason in ("degenerate_graph", "no_object")


@every_network_method
def test_a13_a_strip_of_patches(name):
    object_ = disk((1, 20), (0.5, 10), 4)
    proposals = found(name, features_of(object_))
    part = 0.45 if name == "dino-seg" else 0.7  # 60 % of the attention is less than this object has
    assert iou(proposals.objects[0].soft > 0.5, object_) > part


@every_method
@pytest.mark.parametrize("colour", [0, 255, (10, 200, 30)], ids=str)
def test_a17_a_constant_image_has_no_object(name, colour):
    object_ = disk()
    pixels = np.full((*fit_of(object_.shape).size, 3), colour, np.uint8)
    proposals = found(name, features_of(object_), Photo("black.png", pixels, pixels.shape[:2]))
    assert proposals.objects == ()
    assert proposals.reason == "constant_image"


@every_network_method
def test_a18_all_patches_alike_have_no_object(name):
    proposals = found(name, features(np.full((8, 8, 8), 1 / 65), np.ones((8, 8, 16))))
    assert proposals.objects == ()
    assert proposals.reason == ("degenerate_graph" if name in GRAPHS else "no_object")


@every_network_method
@pytest.mark.parametrize("seed", range(4))
def test_a19_noise_never_fills_the_image(name, seed):
    random = np.random.default_rng(seed)
    given = features(random.uniform(size=(8, 9, 9)), random.normal(size=(9, 9, 16)))
    for proposal in found(name, given).objects:
        mask = proposal.soft > 0.5
        assert mask.any()
        assert not mask.all()


@pytest.mark.parametrize("name", ["attention-cut", "attention", "kmeans"])
@pytest.mark.parametrize("radius", [2.0, 6.5], ids=["small", "most of the image"])
def test_a19_the_side_that_attention_sees_is_the_object(name, radius):
    object_ = disk((14, 14), (7, 7), radius)
    (proposal,) = found(name, features_of(object_)).objects
    assert iou(proposal.soft > 0.5, object_) > 0.7


@every_network_method
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["attention", "facets"])
def test_a20_features_that_are_not_finite(name, bad, where):
    given = features_of(disk())
    spoiled = [given.attention] if where == "attention" else list(given.facets.values())
    for tensor in spoiled:
        tensor[0, 1, 2, 3] = bad
    proposals = found(name, given)
    assert proposals.objects == ()
    assert proposals.reason == "nan_features"


@every_network_method
def test_without_a_network_there_is_nothing_to_look_at(name):
    with pytest.raises(ValueError, match="needs the features"):
        make_method(name)(None, [], [])


def test_half_precision_features_are_taken():
    given = features_of(disk())
    half = dataclasses.replace(
        given, attention=given.attention.half(), facets={name: facet.half() for name, facet in given.facets.items()}
    )
    same = iou(found("tokencut", half).objects[0].soft > 0.5, found("tokencut", given).objects[0].soft > 0.5)
    assert same == 1


@pytest.mark.parametrize(
    ("family", "facet"), [("dino", "key"), ("dinov2", "token"), ("dinov2-registers", "token"), ("dinov3", "token")]
)
def test_facet_of_each_family(family, facet):
    assert facet_for(family) == facet


@pytest.mark.parametrize("name", ["tokencut", "maskcut", "lost"])
def test_keys_with_a_common_direction_are_told_apart_once_centred(name):
    object_ = disk()
    given = features_of(object_)
    leaning = features(given.attention[0].numpy(), given.facets["key"][0].numpy() + 50, "dinov2")
    assert found(make_method(name, ("facet=key", "centre=no")), leaning).reason == "degenerate_graph"
    (proposal,) = found(make_method(name, ("facet=key",)), leaning).objects
    assert iou(proposal.soft > 0.5, object_) > 0.9


def test_one_pixel_is_enough_not_to_be_constant():
    pixels = np.full((40, 50, 3), 7, np.uint8)
    assert is_constant(Photo("a", pixels, (40, 50)))
    pixels[33, 41, 2] = 8
    assert not is_constant(Photo("a", pixels, (40, 50)))
