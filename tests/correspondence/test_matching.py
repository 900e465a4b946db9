"""Pairs of patches of two photographs' objects."""

import json

import numpy as np
import PIL.Image
import pytest

import dinoseg
from dinoseg.correspondence.matching import mutual, spread
from dinoseg.errors import ImageError, NotAnImage, OptionError
from tests.helpers import disk_photo


@pytest.fixture(scope="module")
def matches():
    """Of a disk and of the same elsewhere, by the built-in model."""
    one, two = disk_photo(240, 320, seed=1)[0], disk_photo(200, 300, (80, 100), 60, seed=1)[0]
    return dinoseg.match(one, two, pairs=6, device="cpu")


def test_a_pair_is_each_others_nearest():
    cosines = np.array([[0.9, 0.2, 0.1], [0.8, 0.7, 0.3]])
    rows, columns = mutual(cosines)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0)]  # row 1 has a rival for column 0
    rows, columns = mutual(np.eye(3)[[2, 0, 1]])
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 2), (1, 0), (2, 1)]


def test_pairs_are_spread_over_what_they_look_like():
    features = np.repeat(np.eye(3), 4, axis=0)  # (12, 3)
    alike = np.arange(12) / 12
    assert sorted(spread(features, alike, 3)) == [3, 7, 11]


def test_pairs_lie_on_the_objects_in_px_of_both_originals(matches):
    assert 1 <= len(matches.pairs) <= 6
    assert matches.found >= len(matches.pairs)
    cosines = [pair.cosine for pair in matches.pairs]
    assert cosines == sorted(cosines, reverse=True)
    for pair in matches.pairs:
        for (x, y), side in ((pair.first, matches.first), (pair.second, matches.second)):
            assert side.mask[y, x]
    assert repr(matches).startswith("Matches('image-000000', 'image-000000', ")


def test_a_picture_and_its_numbers(matches, tmp_path):
    picture, numbers = matches.save(tmp_path / "new" / "pair.png")
    with PIL.Image.open(picture) as image:
        assert image.size == (800 + 12 + 900, 600)
    values = json.loads(numbers.read_text())
    assert values["first"] == {"id": "image-000000", "size": [240, 320]}
    assert values["found"] == matches.found
    assert [tuple(pair["first"]) for pair in values["pairs"]] == [pair.first for pair in matches.pairs]
    assert matches._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(OptionError, match=r"must end in \.png"):
        matches.save(tmp_path / "pair.jpg")


def test_all_pairs(matches):
    one = disk_photo(240, 320, seed=1)[0]
    every = dinoseg.match(one, one, pairs=0, device="cpu")
    assert len(every.pairs) == every.found  # of a photograph with itself: each patch with itself
    assert all(pair.first == pair.second for pair in every.pairs)


def test_what_cannot_be_matched_is_refused():
    photo = disk_photo()[0]
    with pytest.raises(ImageError, match="finds no object"):
        dinoseg.match(photo, np.full((40, 60, 3), 9, np.uint8), device="cpu")
    with pytest.raises(NotAnImage):
        dinoseg.match(photo, b"no image", device="cpu")
    with pytest.raises(OptionError, match="--method prior has none"):
        dinoseg.match(photo, photo, method="prior")
