"""Whether there is an object, on attention made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dinoseg.backbone.families import families
from dinoseg.methods.presence import CUES, cues, presence, probability
from tests.methods.scenes import disk, features_of, photo_of


def seen(attention, family="dinov2"):
    """Features of one image whose heads ``(heads, gh, gw)`` look like that."""
    attention = torch.as_tensor(attention, dtype=torch.float32)[None]
    return replace(features_of(disk()), attention=attention, family=family)


def uniform(share=1.0, grid=(12, 16)):
    return np.full((3, *grid), share / (grid[0] * grid[1]))


@pytest.mark.parametrize(
    ("attention", "concentration", "share"),
    [
        (uniform(), 0, 1),
        (uniform(0.5), 0, 0.5),  # the rest stays with CLS
        (uniform(grid=(30, 40)), 0, 1),  # whatever the grid
        (np.tile(np.eye(1, 192).reshape(12, 16), (2, 1, 1)), np.log(192), 1),  # all on one patch
        (np.tile([[0.5, 0], [0.5, 0]], (2, 1, 1)), np.log(2), 1),  # all on half of the patches
        (np.zeros((2, 12, 16)), np.log(192), 0),  # nothing: defined all the same
    ],
)
def test_cues(attention, concentration, share):
    assert cues(seen(attention)) == pytest.approx(np.array([[concentration, share]]), abs=1e-6)


def test_heads_are_looked_at_one_by_one():
    apart = np.zeros((2, 4, 4))
    apart[0, :, :2] = apart[1, :, 2:] = 1 / 8  # their mean is uniform
    assert cues(seen(apart))[0, 0] == pytest.approx(np.log(2), abs=1e-6)


def test_more_attention_on_an_object_makes_one_likelier():
    chances = []
    for on in (1, 3, 10, 30):
        look = np.where(disk(), on, 1.0)
        chances += presence(seen(np.tile(look / look.sum(), (3, 1, 1))), [photo_of((12, 16))])
    assert chances == sorted(set(chances))
    assert all(0 <= chance <= 1 for chance in chances)


def test_a_photograph_does_not_depend_on_its_batch():
    random = np.random.default_rng(0)
    one, other = (seen(random.dirichlet(np.ones(192), 3).reshape(3, 12, 16)) for _ in range(2))
    both = replace(one, attention=torch.cat([one.attention, other.attention]))
    photos = [photo_of((12, 16))] * 2
    assert presence(both, photos) == presence(one, photos[:1]) + presence(other, photos[1:])


def test_a17_one_colour_is_no_object():
    photo = photo_of((12, 16))
    constant = replace(photo, pixels=np.full_like(photo.pixels, 90))
    first, second = presence(
        replace(seen(uniform()), attention=seen(uniform()).attention.repeat(2, 1, 1, 1)), [constant, photo]
    )
    assert first == 0
    assert second != 0


def test_families_without_a_calibration_have_none():
    assert presence(seen(uniform(), family="dino"), [photo_of((12, 16))]) == [None]


def test_probability_is_the_logistic_of_the_weighted_cues():
    measured = np.array([[1.0, 2.0], [0.0, 0.0]])
    assert probability(measured, (-5, 1, 2)) == pytest.approx([0.5, 1 / (1 + np.exp(5))])


def test_every_family_has_one_weight_per_cue_and_the_intercept():
    calibrated = [family.presence for family in families() if family.presence]
    assert {len(weights) for weights in calibrated} == {1 + len(CUES)}
