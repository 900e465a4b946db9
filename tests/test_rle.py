import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from dinoseg.rle import decode_rle, encode_rle, rle_area, rle_box

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(MASKS)
def test_d58_round_trip(mask):
    back = decode_rle(encode_rle(mask))
    assert back.dtype == bool
    np.testing.assert_array_equal(back, mask)


@given(MASKS)
def test_d57_counts_survive_json(mask):
    rle = json.loads(json.dumps(encode_rle(mask)))
    assert rle["size"] == list(mask.shape)
    np.testing.assert_array_equal(decode_rle(rle), mask)


@given(MASKS, st.sampled_from(["C", "F"]))
def test_memory_order_does_not_matter(mask, order):
    assert encode_rle(np.asarray(mask, order=order)) == encode_rle(mask)


@given(MASKS)
def test_area_and_box(mask):
    rle = encode_rle(mask)
    x0, y0, x1, y1 = rle_box(rle)
    assert rle_area(rle) == mask.sum() == mask[y0:y1, x0:x1].sum()
    if mask.any():  # no side can be taken away
        window = mask[y0:y1, x0:x1]
        assert all(side.any() for side in (window[0], window[-1], window[:, 0], window[:, -1]))
    else:
        assert (x0, y0, x1, y1) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("mask", "runs"),
    [
        ([[0, 1], [0, 1]], [2, 2]),  # columns come first
        ([[0, 0], [1, 1]], [1, 1, 1, 1]),
        ([[1, 0], [0, 0]], [0, 1, 3]),  # a mask that begins with 1 begins with an empty run
    ],
)
def test_d58_columns_first(mask, runs):
    expected = coco.frPyObjects({"size": [2, 2], "counts": runs}, 2, 2)["counts"].decode()
    assert encode_rle(np.array(mask, bool))["counts"] == expected


def test_decoded_masks_are_plain_arrays():
    mask = decode_rle(encode_rle(np.ones((3, 5), bool)))
    mask[0, 0] = False
    assert mask.flags.c_contiguous
    assert mask.sum() == 14


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_h106_a_broken_text_is_told_and_does_not_end_the_process(text):
    with suppress(ValueError):
        assert decode_rle({"size": [20, 30], "counts": text}).shape == (20, 30)
