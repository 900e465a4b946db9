"""``Points``: the piece under a point, on objects made by hand and through the whole road."""

import numpy as np
import pytest

import dinoseg
from dinoseg.errors import OptionError
from dinoseg.method import Method
from dinoseg.methods import METHODS
from dinoseg.methods.points import Points, joined
from tests.helpers import disk_photo
from tests.methods.scenes import PATCH, disk, features, features_of, found, iou, three_disks
from tests.networks import save_teacher

CENTRES = [(5, 5), (10, 12), (5, 19)]
"""Row and column of the middle patch of each of the three disks."""


def pixel(row, column):
    """``(x, y)`` px within a patch."""
    return column * PATCH + 3, row * PATCH + 3


def test_each_point_gives_its_own_object():
    disks, given = three_disks()
    for mask, centre in zip(disks, CENTRES, strict=True):
        proposals = found(Points(inside=[pixel(*centre)]), given)
        assert len(proposals.objects) == 1
        assert iou(proposals.objects[0].soft > 0.5, mask) > 0.9


def test_likes_that_are_not_joined_to_the_point_are_left_out():
    near, far = disk((12, 24), (6, 5), 3), disk((12, 24), (6, 18), 3)
    (proposal,) = found(Points(inside=[pixel(6, 5)]), features_of(near | far)).objects
    assert iou(proposal.soft > 0.5, near) > 0.9
    assert not (proposal.soft[far] > 0.5).any()


def test_several_points_inside_are_one_object():
    disks, given = three_disks()
    (proposal,) = found(Points(inside=[pixel(*CENTRES[0]), pixel(*CENTRES[1])]), given).objects
    assert iou(proposal.soft > 0.5, disks[0] | disks[1]) > 0.9


def test_a_point_outside_takes_its_like_away():
    """Three stripes of patches, of which the second and the third are like each other."""
    stripes = np.repeat([[0, 1, 2]], 8, axis=1).repeat(12, axis=0)  # (12, 24)
    directions = np.array([[1, 0, 0], [0, 1, 0], [0, np.cos(0.7), np.sin(0.7)]])
    given = features(np.ones((1, 12, 24)), directions[stripes])
    alone = found(Points(inside=[pixel(6, 12)]), given).objects[0].soft > 0.5
    against = found(Points(inside=[pixel(6, 12)], outside=[pixel(6, 20)]), given).objects[0].soft > 0.5
    np.testing.assert_array_equal(alone, stripes > 0)
    np.testing.assert_array_equal(against, stripes == 1)


def test_a_point_outside_in_the_place_of_the_one_inside_leaves_nothing():
    _, given = three_disks()
    point = pixel(*CENTRES[0])
    assert found(Points(inside=[point], outside=[point]), given).reason == "no_object"


def test_patches_that_are_all_alike_hold_no_object():
    assert found(Points(inside=[(0, 0)]), features_of(np.ones((6, 8), bool), noise=0)).reason == "no_object"


def test_pieces_are_joined_at_corners_and_their_edges_stay_soft():
    soft = np.array([[0.9, 0.2, 0.0, 0.8], [0.3, 0.7, 0.1, 0.4]], np.float32)
    np.testing.assert_array_equal(joined(soft, [0]), np.array([[0.9, 0.2, 0, 0], [0.3, 0.7, 0.1, 0]], np.float32))
    assert not joined(soft, [1]).any()


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ({}, "at least one"),
        ({"outside": [(1, 2)]}, "at least one"),
        ({"inside": [3, 4]}, r"\[\(x, y\), ...\]"),
        ({"inside": [(1, 2, 3)]}, r"\[\(x, y\), ...\]"),
        ({"inside": 7}, r"\[\(x, y\), ...\]"),
        ({"inside": [(float("nan"), 2)]}, "two finite numbers"),
        ({"inside": [("1", 2)]}, "two finite numbers"),
        ({"inside": [(1, 2)], "power": 0}, "above 0"),
    ],
)
def test_what_is_no_point_is_refused(points, told):
    with pytest.raises(OptionError, match=told):
        Points(**points)


@pytest.mark.parametrize("point", [(160, 5), (5, 120), (-1, 5)])
def test_a_point_outside_of_the_picture_is_named_with_the_size(tmp_path, point):
    save_teacher(tmp_path / "small.safetensors")
    segmenter = dinoseg.Segmenter(model=str(tmp_path / "small.safetensors"), size=64, device="cpu")
    encoded = dinoseg.encode(disk_photo()[0], model=str(tmp_path / "small.safetensors"), size=64, device="cpu")
    for method in (Points(inside=[point]), Points(inside=[(80, 60)], outside=[point])):
        with pytest.raises(OptionError, match=rf"\({point[0]}, {point[1]}\) .* 160 x 120 px"):
            segmenter.with_method(method)(encoded)


def test_encode_once_ask_with_many_points():
    photo, mask = disk_photo(240, 320)
    segmenter, encoded = dinoseg.Segmenter(device="cpu"), dinoseg.encode(photo, device="cpu")
    on = segmenter.with_method(Points(inside=[(160, 120)]))(encoded)
    beside = segmenter.with_method(Points(inside=[(10, 10)]))(encoded)
    assert iou(on.mask, mask) > 0.8
    assert on.mask[120, 160]
    assert iou(beside.mask, mask) < 0.3


def test_it_is_a_method_without_a_name():
    """A coordinate is of one photograph, so no command over many has it."""
    assert isinstance(Points(inside=[(1, 2)]), Method)
    assert not [name for name in METHODS if "point" in name]
    assert Points(inside=[[1, 2]]).identity()["parameters"]["inside"] == ((1, 2),)
