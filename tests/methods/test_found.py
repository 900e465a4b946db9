"""``found`` against the reference's arrays."""

import numpy as np
import pytest

from dinoseg.methods.found import Found, background, head_weights, weigh_heads
from tests.helpers import GOLDEN
from tests.methods.scenes import CASES, disk, features, features_of, found, golden_box, golden_features, iou


@pytest.mark.parametrize("case", CASES)
def test_golden_background(case):
    golden = np.load(GOLDEN / "methods.npz")
    given = golden_features(golden, case)
    attention = given.attention[0].numpy().astype(np.float64)
    patches = given.facets["key"][0].flatten(0, 1).numpy().astype(np.float64)
    weights = head_weights(attention)
    np.testing.assert_allclose(weights, golden[f"{case}/found_beta"], rtol=1e-5)
    mask = background(weigh_heads(patches, weights), np.tensordot(weights, attention, 1), 0.3)
    np.testing.assert_array_equal(mask, golden[f"{case}/found_bkg"])
    mask = background(patches, attention.sum(axis=0), 0.3)
    np.testing.assert_array_equal(mask, golden[f"{case}/found_noweight_bkg"])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("weigh", "name"), [(True, "found_bkg"), (False, "found_noweight_bkg")])
def test_golden_object(case, weigh, name):
    golden = np.load(GOLDEN / "methods.npz")
    proposals = found(Found(weigh=weigh), golden_features(golden, case))
    if golden[f"{case}/{name}"].all():  # all is background: the reference raises
        assert proposals.reason == "no_object"
    else:
        np.testing.assert_array_equal(proposals.objects[0].soft, ~golden[f"{case}/{name}"])


@pytest.mark.parametrize("case", [case for case in CASES if case != "net14"])
def test_golden_box(case):
    golden = np.load(GOLDEN / "methods.npz")
    (proposal,) = found(Found(pieces="largest"), golden_features(golden, case)).objects
    assert golden_box(golden, case, proposal.soft > 0.5) == golden[f"{case}/found_box"].tolist()


def test_all_pieces_or_the_largest():
    large, small = disk(centre=(6, 4), radius=3), disk(centre=(6, 13), radius=1.5)
    given = features_of(large | small)
    assert iou(found("found", given).objects[0].soft > 0.5, large | small) == 1
    assert iou(found(Found(pieces="largest"), given).objects[0].soft > 0.5, large) == 1


def test_a_head_that_looks_at_few_patches_weighs_more():
    attention = np.ones((2, 4, 4))
    attention[0, :2], attention[1, 0, 0] = 9, 9
    few, many = head_weights(attention)[::-1]
    np.testing.assert_allclose([few, many], np.log([9, 9 / 8]))


def test_weights_split_features_by_head_but_tokens_are_whole():
    weighed = weigh_heads(np.ones((3, 4)), np.array([2.0, 5.0]))
    np.testing.assert_array_equal(weighed, np.tile([2, 2, 5, 5], (3, 1)))
    facet = features_of(disk()).facets["token"][0].numpy()[..., :23]  # not a multiple of the six heads
    (proposal,) = found("found", features(features_of(disk()).attention[0].numpy(), facet, "dinov2")).objects
    assert iou(proposal.soft > 0.5, disk()) > 0.9


def test_one_head_has_no_weight_to_lose():
    (proposal,) = found("found", features_of(disk(), heads=1)).objects
    assert iou(proposal.soft > 0.5, disk()) > 0.9


def test_a15_all_background_has_no_object():
    attention = np.random.default_rng(0).uniform(size=(2, 6, 6))
    alike = np.ones((6, 6, 4)) + 0.01 * np.random.default_rng(1).normal(size=(6, 6, 4))
    assert found("found", features(attention, alike)).reason == "no_object"


def test_a18_a_reference_of_zeros_never_fills_the_frame():
    given = features_of(disk())
    given.attention[0, :, 0, 0] = 0
    given.facets["key"][0, 0, 0] = 0
    assert found("found", given).reason == "no_object"


def test_a19_a_background_of_one_patch_is_none():
    given = features(np.random.default_rng(0).uniform(size=(2, 4, 4)), np.eye(16).reshape(4, 4, 16))
    assert found("found", given).reason == "no_object"
