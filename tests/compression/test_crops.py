"""Crops: made again from their number, of the stated area and aspect, from what can be read."""

import math

import numpy as np
import pytest
import torch

from dinoseg.compression.crops import CropFeed, Request, evenly, random_box
from dinoseg.errors import CompressionError
from dinoseg.types import Source
from tests.compression.photographs import sources

SIZES = (32, 48), (40, 60)


def one_by_one(feed, requests):
    return [crop for batch in feed.batches(0, requests) for crop in zip(*batch, strict=True)]


def test_crops_are_a_function_of_their_index():
    feed = CropFeed(sources(), seed=0)
    together = one_by_one(feed, evenly(10, 4, *SIZES))
    later = one_by_one(feed, [Request(range(6, 8), SIZES), Request(range(8, 10), SIZES)])
    assert len(together) == 10
    for (large, small), (large_again, small_again) in zip(together[6:], later, strict=True):
        assert torch.equal(large, large_again)
        assert torch.equal(small, small_again)
    assert together[0][0].shape == (3, 32, 48)
    assert together[0][1].shape == (3, 40, 60)
    other = one_by_one(CropFeed(sources(), seed=1), evenly(1, 1, *SIZES))
    assert not torch.equal(other[0][0], together[0][0])


def test_batches_may_differ_in_count_and_size():
    asked = [Request(range(3), ((32, 32),)), Request(range(4, 5), ((16, 40),))]
    shapes = [batch.shape for (batch,) in CropFeed(sources(), seed=0).batches(0, asked)]
    assert shapes == [(3, 3, 32, 32), (1, 3, 16, 40)]


@pytest.mark.parametrize("shape", [1.0, 4 / 3])
def test_boxes_have_the_stated_area_and_aspect(shape):
    generator = np.random.default_rng(0)
    boxes = np.array([random_box(250, 200, shape, generator) for _ in range(2000)])
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= 250 + 1e-9).all()
    assert (boxes[:, 3] <= 200 + 1e-9).all()
    share = w * h / (250 * 200)
    assert 0.349 <= share.min() < 0.4
    assert 0.9 < share.max() <= 1
    assert np.log(w / h / shape).min() >= math.log(3 / 4) - 1e-9
    assert np.log(w / h / shape).max() <= math.log(4 / 3) + 1e-9


def test_unreadable_photographs_are_named_and_replaced_and_too_many_are_an_error(caplog):
    broken = Source("broken", b"no image")
    feed = CropFeed([*sources(2), broken], seed=0)
    assert len(one_by_one(feed, evenly(20, 5, (32, 32)))) == 20
    assert "broken" in caplog.text
    with pytest.raises(CompressionError, match="10 photographs in a row"):
        CropFeed([broken], seed=0).crop(0, 0, [(32, 32)])
