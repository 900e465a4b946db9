"""``attention-cut``: what its steps are for."""

import numpy as np
import pytest

from dinoseg.methods.attention_cut import AttentionCut
from tests.methods.scenes import disk, features, features_of, found, iou

OBJECT = disk()


def test_the_object_that_is_looked_at():
    (proposal,) = found("attention-cut", features_of(OBJECT)).objects
    assert iou(proposal.soft > 0.5, OBJECT) == 1
    assert proposal.score > 0.8


def test_attention_that_sees_only_a_part_is_shared_with_the_rest():
    given = features_of(OBJECT)
    given.attention[:, :, :, 8:] = given.attention.min()  # only the left half is looked at
    (proposal,) = found("attention-cut", given).objects
    assert iou(proposal.soft > 0.5, OBJECT) == 1
    (unshared,) = found(AttentionCut(power=100), given).objects
    assert iou(unshared.soft > 0.5, OBJECT) < 0.7


def test_what_lies_along_the_border_is_background_however_bright():
    ground = np.zeros((12, 16), int)
    ground[OBJECT], ground[-2:] = 1, 2
    random = np.random.default_rng(0)
    facet = 4 * np.eye(8)[ground] + random.normal(size=(12, 16, 8)) / 4  # (gh, gw, d)
    look = np.where(ground == 2, 3.0, np.where(ground == 1, 2.0, 1.0)) * random.uniform(0.9, 1.1, (3, 12, 16))
    given = features(look / look.sum(axis=(1, 2), keepdims=True), facet)
    (proposal,) = found("attention-cut", given).objects
    assert iou(proposal.soft > 0.5, OBJECT) == 1
    (without,) = found(AttentionCut(reach=100), given).objects
    assert (without.soft > 0.5)[-2:].all()


def test_a19_a_frame_that_stands_out_is_not_the_object():
    """The published seed lies on the smaller side, here the frame; attention and border know better."""
    inside = np.zeros((14, 14), bool)
    inside[1:-1, 1:-1] = True
    given = features_of(inside)
    (published,) = found("tokencut", given).objects
    (chosen,) = found("attention-cut", given).objects
    assert iou(published.soft > 0.5, ~inside) > 0.9
    assert iou(chosen.soft > 0.5, inside) > 0.9
    assert chosen.score > published.score


@pytest.mark.parametrize("facet", [np.ones((12, 16, 8)), np.zeros((12, 16, 8))])
@pytest.mark.parametrize("uneven", [True, False])
def test_a17_all_patches_alike_or_none(facet, uneven):
    attention = features_of(OBJECT).attention[0].numpy() if uneven else np.full((2, 12, 16), 0.01)
    assert found("attention-cut", features(attention, facet)).reason == "degenerate_graph"
