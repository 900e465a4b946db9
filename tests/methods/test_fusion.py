"""Heads as one map, without labels."""

import numpy as np

from dinoseg.methods.fusion import border_clearance, fuse_heads
from tests.methods.scenes import disk


def share(map_):
    return map_ / map_.sum()


def test_heads_on_the_border_do_not_count():
    object_ = disk()
    looks, frames = share(np.where(object_, 9.0, 1.0)), share(np.where(object_, 1.0, 9.0))
    fused = fuse_heads(np.stack([looks, frames, frames]), blur=0)
    np.testing.assert_allclose(fused / fused.mean(), np.sqrt(looks) / np.sqrt(looks).mean())


def test_one_patch_of_high_norm_does_not_outshine_the_object():
    object_ = disk()
    attention = np.where(object_, 4.0, 1.0)
    attention[1, 1] = 100.0
    fused = fuse_heads(share(attention)[None])
    assert fused[object_].mean() > 1.5 * fused[~object_].mean()
    assert fused[1, 1] < 3 * fused[object_].mean()


def test_a_head_counts_by_its_shape_not_by_its_sum():
    heads = np.random.default_rng(0).uniform(size=(2, 6, 8))
    heads[:, 2:4, 2:6] += 3
    np.testing.assert_allclose(fuse_heads(heads * [[[1.0]], [[1e-3]]]), fuse_heads(heads))


def test_border_clearance():
    maps = np.ones((3, 4, 4))
    maps[1, 1:3, 1:3], maps[1, [0, -1]], maps[1, 1:3, [0, -1]] = 4.0, 0.0, 0.0
    maps[2] = 2 - maps[1] / 2
    np.testing.assert_allclose(border_clearance(maps), [0, 1, 0])


def test_a13_grids_that_are_all_border():
    for grid in ((1, 1), (1, 7), (2, 2)):
        heads = np.random.default_rng(0).uniform(0.1, 1, (3, *grid))
        assert np.isfinite(fuse_heads(heads)).all()
    np.testing.assert_array_equal(fuse_heads(np.zeros((2, 3, 3))), np.zeros((3, 3)))


def test_a13_rounding_weighs_no_head_where_all_is_border():
    heads = np.random.default_rng(0).uniform(0.1, 1, (6, 1, 32))
    maps = np.sqrt(heads)
    expected = (maps / maps.mean(axis=2, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(fuse_heads(heads, blur=0), expected)
