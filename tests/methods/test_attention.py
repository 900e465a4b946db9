"""``attention``: the reference's masks, and heads that are asked for."""

import numpy as np
import pytest
import torch

from dinoseg.errors import OptionError
from dinoseg.methods.attention import AttentionMap
from tests.helpers import GOLDEN
from tests.methods.scenes import disk, features, features_of, found, spec_of


def as_it_is(head: int, **parameters) -> AttentionMap:
    """One head, nothing smoothed."""
    return AttentionMap(head=head, blur=0, **parameters)


@pytest.mark.parametrize("case", ["p16_224x224", "p16_96x160", "p8_75x101", "resize"])  # native, oblong, cropped
def test_by_mass_it_is_the_picture_of_the_reference(case):
    golden = np.load(GOLDEN / "attention.npz")
    masks = golden[f"{case}/mask60"]
    attention = golden[f"{case}/cls_attention_up" if case == "resize" else f"{case}/cls_attention"]
    given = features(attention, np.ones((*attention.shape[1:], 2)))
    for head, mask in enumerate(masks):
        (proposal,) = found(as_it_is(head, threshold="mass"), given).objects
        np.testing.assert_array_equal(proposal.soft, mask)


def test_one_head_is_that_head():
    given, object_ = features_of(disk()), disk(centre=(4, 4), radius=2)
    given.attention[0, 1] = torch.from_numpy(np.where(object_, 0.1, 0.001))
    for threshold in ("otsu", "mass"):
        (proposal,) = found(as_it_is(1, threshold=threshold, mass=0.5), given).objects
        mask = proposal.soft > 0.5
        assert mask.any()
        assert not (mask & ~object_).any()


def test_more_mass_is_more_mask():
    given = features_of(disk())
    areas = [found(AttentionMap(threshold="mass", mass=mass), given).objects[0].soft.sum() for mass in (0.3, 0.6, 0.9)]
    assert areas == sorted(set(areas))


def test_a_head_that_the_network_does_not_have():
    with pytest.raises(OptionError, match=r"--param head 3 is out of range: the network has 0\.\.2"):
        AttentionMap(head=3).check(spec_of(3))
    AttentionMap(head=3).check(spec_of(4))
    AttentionMap().check(spec_of(1))


def test_a18_attention_that_sums_to_nothing():
    nowhere = features(np.zeros((2, 4, 4)), np.ones((4, 4, 2)))
    for method in (AttentionMap(), AttentionMap(threshold="mass"), AttentionMap(head=0)):
        assert found(method, nowhere).reason == "no_object"
