"""``attention-cut``: its steps, and what it adds to the published cut."""

import numpy as np
import pytest

from dinoseg.methods.attention_cut import AttentionCut, brightest_component, ridge_smooth, side_probability, towards
from tests.methods.scenes import disk, features, features_of, found, iou

OBJECT = disk()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_vector_is_turned_to_where_attention_is(sign):
    vector = sign * np.where(OBJECT, 3.0, -1.0)
    np.testing.assert_array_equal(towards(vector, np.where(OBJECT, 0.2, 0.1)) > 0, OBJECT)
    np.testing.assert_array_equal(towards(vector, np.where(OBJECT, 0.1, 0.2)) > 0, ~OBJECT)


def test_brightest_component_by_sum_not_by_mean():
    large, small = disk(centre=(6, 4), radius=3), disk(centre=(6, 13), radius=1.5)
    attention = np.where(large, 2.0, np.where(small, 3.0, 0.0))
    np.testing.assert_array_equal(brightest_component(large | small, attention), large)


def test_side_probability():
    vector = np.array([-1e6, -1.0, 0.0, 1.0, 1e6])
    probability = side_probability(vector)
    assert probability[2] == 0.5
    np.testing.assert_allclose(probability + probability[::-1], 1)
    assert (np.diff(probability) > 0).all()
    outlier = side_probability(np.append(np.zeros(999), 1e9))[-1]
    np.testing.assert_allclose(outlier, 1 / (1 + np.exp(-4)))  # clipped at 2 deviations


def test_ridge_smoothing_is_kernel_ridge_regression():
    random = np.random.default_rng(0)
    features_, map_ = random.normal(size=(30, 7)) + 3, random.normal(size=(5, 6))
    x = features_ - features_.mean(axis=0)
    kernel = x @ x.T
    kernel *= 30 / np.trace(kernel)
    expected = kernel @ np.linalg.solve(kernel + 0.1 * 30 * np.eye(30), (map_ - map_.mean()).ravel())
    np.testing.assert_allclose(ridge_smooth(map_, features_, 0.1), expected.reshape(5, 6), atol=1e-12)


def test_ridge_smoothing_gives_like_patches_like_values():
    given = features_of(OBJECT, noise=0.1).facets["token"][0].numpy().reshape(OBJECT.size, -1)
    spotty = OBJECT + np.random.default_rng(0).normal(0, 0.8, OBJECT.shape)
    smoothed = ridge_smooth(spotty, given, 0.08)
    assert smoothed[OBJECT].std() < 0.2 * spotty[OBJECT].std()
    assert smoothed[OBJECT].min() > smoothed[~OBJECT].max()


@pytest.mark.parametrize("output", ["map", "component"])
def test_a19_a_frame_that_stands_out_is_not_the_object(output):
    """The published seed lies on the smaller side, here the frame; attention knows better."""
    inside = np.zeros((14, 14), bool)
    inside[1:-1, 1:-1] = True
    given = features_of(inside)
    (published,) = found("tokencut", given).objects
    (chosen,) = found(AttentionCut(output=output), given).objects
    assert iou(published.soft > 0.5, ~inside) > 0.9
    assert iou(chosen.soft > 0.5, inside) > 0.9
    assert chosen.score > published.score


def test_the_component_is_the_one_that_attention_picks():
    left, right = disk(centre=(6, 4), radius=2.5), disk(centre=(6, 12), radius=2.5)
    given = features_of(left | right)
    given.attention[..., 8:] /= 4  # the left one is looked at
    (proposal,) = found(AttentionCut(output="component"), given).objects
    assert iou(proposal.soft > 0.5, left) > 0.9


def test_a18_nothing_is_looked_at():
    given = features_of(OBJECT)
    flat = features(np.full((2, *OBJECT.shape), 0.01), given.facets["key"][0].numpy())
    assert found("attention-cut", flat).reason == "no_object"


def test_a_photo_in_which_all_patches_are_alike_still_has_a_cut():
    given = features_of(OBJECT)
    leaning = features(given.attention[0].numpy(), given.facets["key"][0].numpy() + 2)
    assert found("tokencut", leaning).reason == "degenerate_graph"
    (proposal,) = found("attention-cut", leaning).objects
    assert iou(proposal.soft > 0.5, OBJECT) > 0.9
