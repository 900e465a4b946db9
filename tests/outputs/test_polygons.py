import numpy as np
import pytest

from dinoseg.outputs.polygons import AGREEMENT, agreement, one_polygon, trace, trace_edges
from dinoseg.rle import encode_rle
from tests.outputs.shapes import MASKS, drawn, iou


@pytest.mark.parametrize("name", MASKS)
def test_all_corners_are_the_mask_itself(name):
    assert agreement(trace_edges(MASKS[name]), MASKS[name]) == 1


@pytest.mark.parametrize("name", MASKS)
def test_a_round_trip_loses_next_to_nothing(name):
    mask = MASKS[name]
    parts = trace(encode_rle(mask))
    assert iou(drawn([part.polygon() for part in parts], mask.shape), mask) >= AGREEMENT
    assert iou(drawn([one_polygon(parts)], mask.shape), mask) >= AGREEMENT


def test_parts_and_holes():
    parts = trace(encode_rle(MASKS["an island in a hole"]))
    assert [len(part.holes) for part in parts] == [1, 0]  # the largest first
    assert trace(encode_rle(MASKS["all of it"]))[0].outline.tolist() == [[0, 0], [0, 40], [60, 40], [60, 0]]


def test_a_large_round_object_needs_few_corners():
    mask = np.hypot(*(np.mgrid[:1000, :1000] - 499.5)) < 400
    (part,) = trace(encode_rle(mask))
    assert len(part.outline) < 60
    assert len(trace_edges(mask)[0].outline) > 1000
